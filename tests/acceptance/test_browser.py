"""A viewer's browser: a real Chromium on the real stack."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack
from tests.acceptance.viewer import VIDEO, Viewer

NAME = "cinema"


@pytest.fixture(scope="module")
def viewer(stack: Stack, browser: Browser) -> Viewer:
    stack.add_stream(NAME, grace=2)
    return Viewer(browser, stack, NAME)


@pytest.fixture
def others(stack: Stack, browser: Browser) -> Iterator[Callable[[], Viewer]]:
    """Opens further viewers, who leave when the test is over."""
    opened: list[Viewer] = []

    def come() -> Viewer:
        opened.append(Viewer(browser, stack, NAME))
        return opened[-1]

    yield come
    for viewer in opened:
        viewer.page.context.close()


@pytest.fixture(scope="module")
def publisher(stack: Stack, viewer: Viewer) -> Iterator[Publisher]:
    """On air only once the viewer waits before the offline page."""
    viewer.stage("offline", 10)
    with Publisher(stack.rtmp, NAME) as publisher:
        yield publisher


def test_the_page_starts_playing_by_itself(
    stack: Stack, viewer: Viewer, publisher: Publisher
) -> None:
    started = time.monotonic()
    viewer.stage("playing", 25)
    stack.note("publish to playing on a page that was open", started)
    viewer.time_moves()
    latency = viewer.page.evaluate("document.querySelector('#video').api.latency")
    stack.notes.append(f"behind the live edge, as hls.js reckons: {latency:.1f} s")
    assert viewer.page.evaluate("window.firstLoad")


def test_a_new_viewer_sees_the_picture_within_seconds(
    stack: Stack, others: Callable[[], Viewer], publisher: Publisher
) -> None:
    opened = time.monotonic()
    late = others()
    late.stage("playing", 15)
    stack.note("opening the page to playing", opened)
    late.time_moves()
    assert late.errors == []


def test_the_viewer_chooses_a_quality(viewer: Viewer, publisher: Publisher) -> None:
    viewer.stage("playing", 25)
    page = viewer.page
    for height in (360, 720):
        page.hover("#stage")
        page.click("media-rendition-menu-button")
        page.get_by_role("menuitemradio", name=f"{height}p").click()
        viewer.until(f"{VIDEO}.videoHeight === {height}", 20)
    viewer.time_moves()


def test_two_viewers_chat(
    others: Callable[[], Viewer], viewer: Viewer, publisher: Publisher
) -> None:
    other = others()
    expect(other.page.locator("#chat")).to_have_attribute("data-state", "up", timeout=10_000)
    viewer.say("is <b>anybody</b> here?")
    other.reads("is <b>anybody</b> here?")
    other.say("me")
    viewer.reads("me")
    expect(viewer.page.locator("#viewers")).to_have_text("2", timeout=15_000)
    others().reads("is <b>anybody</b> here?")


def test_the_page_says_that_it_ended_when_the_publisher_leaves(
    stack: Stack, viewer: Viewer, publisher: Publisher
) -> None:
    viewer.stage("playing", 25)
    publisher.stop()
    left = time.monotonic()
    viewer.stage("ended", 40)
    stack.note("publisher gone to “ended” on the page, with 2 s of grace", left)
    assert viewer.page.evaluate("window.firstLoad")
    assert viewer.errors == []
