"""The list of messages in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, sync_playwright

from tests.acceptance.viewer import FLAGS
from tests.deploy.installation import ROOT

FRONT = ROOT / "chat/front"
PAGE = '<div id="list"></div><button id="newer" hidden></button>'
# The second one in the form without a fraction, which Python writes for whole seconds.
TIMES = {
    "one": "2026-01-01T12:00:00.900000+00:00",
    "two": "2026-01-01T12:00:01+00:00",
    "three": "2026-01-01T12:00:01.001000+00:00",
}
OPEN = """async () => {
    const { Log } = await import("/log.js");
    const [list, newer] = ["list", "newer"].map((id) => document.getElementById(id));
    window.log = new Log(list, newer);
}"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A page with nothing but the list."""

    def answer(route: Route) -> None:
        file = FRONT / Path(route.request.url).name
        if file.is_file():
            route.fulfill(path=file, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto("http://localhost/")
        page.evaluate(OPEN)
        yield page
        browser.close()


def add(page: Page, text: str) -> None:
    message = {"id": text, "name": "bob", "account": False, "text": text, "at": TIMES[text]}
    page.evaluate("(message) => log.add(message)", message)


def test_a_message_that_comes_late_stands_where_it_was_said(page: Page) -> None:
    for text in ("one", "three", "two", "three"):
        add(page, text)
    assert page.locator(".line-text").all_inner_texts() == ["one", "two", "three"]


def test_the_first_one_may_come_last(page: Page) -> None:
    for text in ("two", "three", "one"):
        add(page, text)
    assert page.locator(".line-text").all_inner_texts() == ["one", "two", "three"]
