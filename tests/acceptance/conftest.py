"""One stack for all acceptance tests; it must leave nothing behind."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.stack import Stack, until
from tests.acceptance.viewer import FLAGS

NOTES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    stack = Stack()
    pytestconfig.stash[NOTES] = stack.notes
    try:
        stack.setup()
        yield stack
    finally:
        stack.stop()
    until(lambda: not stack.leftovers(), 5, f"nothing of the stack is left: {stack.leftovers()}")
    stack.remove()


# Not for the session: Playwright's event loop would be in the way of tests with their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/acceptance/" in item.nodeid:
            item.add_marker(pytest.mark.acceptance)
            # The first one also waits for the stack.
            item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if notes := config.stash.get(NOTES, []):
        terminalreporter.section("times")
        for note in notes:
            terminalreporter.line(note)
