"""A viewer: the page of a stream, open in a real Chromium."""

from dataclasses import dataclass

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack, until

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
VIDEO = "document.querySelector('#video').nativeEl"
SAMPLER = f"""() => {{
    clearInterval(window.sampling);
    const video = {VIDEO};
    const seen = (window.seen = {{ stood: 0, jumped: 0 }});
    let [time, moved, looked] = [video.currentTime, performance.now(), performance.now()];
    window.sampling = setInterval(() => {{
        const now = performance.now();
        const step = Math.abs(video.currentTime - time) - (now - looked) / 1000;
        seen.jumped = Math.max(seen.jumped, step);
        if (video.currentTime !== time) moved = now;
        seen.stood = Math.max(seen.stood, (now - moved) / 1000);
        [time, looked] = [video.currentTime, now];
    }}, 100);
}}"""


class Viewer:
    """One browser with the stream's page open."""

    def __init__(self, browser: Browser, stack: Stack, name: str) -> None:
        self.page: Page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"http://localhost:{stack.web}/{name}")
        # Gone after a reload.
        self.page.evaluate("window.firstLoad = true")

    def stage(self, state: str, seconds: float) -> None:
        stage = self.page.locator("#stage")
        expect(stage).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def until(self, expression: str, seconds: float) -> None:
        # Playwright's own waiting evaluates text in the page, which the page's policy forbids.
        until(lambda: self.page.evaluate(expression), seconds, expression)

    def time_moves(self) -> None:
        before = self.page.evaluate(f"{VIDEO}.currentTime")
        self.until(f"{VIDEO}.currentTime > {before} + 1", 15)

    def say(self, text: str) -> None:
        self.page.fill("#chat-text", text)
        self.page.press("#chat-text", "Enter")

    def reads(self, text: str) -> None:
        expect(self.page.get_by_role("log")).to_contain_text(text, timeout=5_000)

    def watch_closely(self) -> None:
        """Begin to look at the picture ten times a second, by a clock that only goes forward."""
        self.page.evaluate(SAMPLER)

    def watch_anew_at(self, event: str) -> None:
        """At an event of hls.js; what was seen until then is `saw("before")`."""
        again = f"() => {{ window.before = window.seen; ({SAMPLER})(); }}"
        self.page.evaluate(f"document.querySelector('#video').api.once('{event}', {again})")

    def saw(self, what: str = "seen") -> "Seen":
        """What it saw since; it goes on looking."""
        return Seen(**self.page.evaluate(f"window.{what}"))

    def chat_is_up(self, seconds: float) -> None:
        chat = self.page.locator("#chat")
        expect(chat).to_have_attribute("data-state", "up", timeout=seconds * 1000)


@dataclass(frozen=True)
class Seen:
    """Seconds: the longest time for which the picture stood, and the longest jump."""

    stood: float
    jumped: float
