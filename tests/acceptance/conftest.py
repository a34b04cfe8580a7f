"""One stack for all acceptance tests; it must leave nothing behind."""

from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack, until

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
