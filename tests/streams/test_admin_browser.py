"""The admin in a real Chromium, under its Content-Security-Policy."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from streams.models import Stream, StreamKey, User
from tests.acceptance.viewer import FLAGS

PASSWORD = "correct horse battery"
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
    violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    User.objects.create_superuser("root", password=PASSWORD)
    stream = Stream.objects.create(name="stream")
    StreamKey.issue(stream)
    return stream


@pytest.fixture
def page(stream: Stream, live_server: LiveServer) -> Iterator[Page]:
    """Logged in."""
    with sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=FLAGS
        )
        page = browser.new_page()
        page.add_init_script(WATCH)
        page.goto(f"{live_server.url}/admin/login/")
        page.fill("[name=username]", "root")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/admin/")
        yield page
        browser.close()


def test_the_theme_works_and_nothing_breaks_the_policy(page: Page, stream: Stream) -> None:
    base = page.url
    for path in ("", "streams/stream/", f"streams/stream/{stream.pk}/change/", "chat/message/"):
        page.goto(base + path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("violations") == [], path
        # Alpine, which the theme is made of, runs and hides what is closed.
        assert page.evaluate("typeof Alpine") == "object"
    menu = page.locator("[x-on\\:click='openUserLinks = !openUserLinks']").first
    entry = page.get_by_text("Log out").first
    expect(entry).to_be_hidden()
    menu.click()
    expect(entry).to_be_visible()


def test_a_script_that_got_into_a_page_does_not_run(page: Page) -> None:
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='ran = true'>");
        }"""
    )
    page.wait_for_function("violations.length >= 2")
    assert page.evaluate("window.ran") is None
