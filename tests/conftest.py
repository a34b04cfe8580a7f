"""What all tests share: quick settings, the stack, which tests are run, the figures at the end."""

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from streams.ingest_nodes import nodes
from tests.acceptance.stack import Stack, until
from tests.faults.ledger import Ledger

NOTES = pytest.StashKey[list[str]]()
LEDGER = pytest.StashKey[Ledger]()
LEFT_OUT = pytest.StashKey[int]()


@pytest.fixture(autouse=True)
def _quick_settings(settings: LazySettings) -> None:
    """Static files are not collected for unit tests; passwords need not resist anybody."""
    files = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": files}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _unknown_ingests() -> None:
    """No test knows what an ingest said to the one before it."""
    nodes.forget()
    nodes.local.forget()


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """One for all tests that need the whole product; it must leave nothing behind."""
    stack = Stack()
    pytestconfig.stash[NOTES] = stack.notes
    try:
        stack.setup()
        yield stack
    finally:
        stack.stop()
    until(lambda: not stack.leftovers(), 5, f"nothing of the stack is left: {stack.leftovers()}")
    stack.remove()


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    return pytestconfig.stash.setdefault(LEDGER, Ledger())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-fault", action="store_true", help="also the faults that take minutes (slow_fault)"
    )
    parser.addoption(
        "--only-database", action="store_true", help="only the tests in which a database takes part"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.acceptance)
            # The first one also waits for the stack.
            item.add_marker(pytest.mark.timeout(300))
    if config.getoption("--only-database"):
        _leave_out(config, items, [item for item in items if not _needs_database(item)])
    if not config.getoption("--every-fault"):
        slow = [item for item in items if item.get_closest_marker("slow_fault")]
        config.stash[LEFT_OUT] = len(slow)
        _leave_out(config, items, slow)


def _needs_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db", "stack"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or any(item.get_closest_marker(m) for m in ("django_db", "acceptance"))


def _leave_out(config: pytest.Config, items: list[pytest.Item], those: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=those)
    left_out = set(those)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for title, lines in (
        ("times", config.stash.get(NOTES, [])),
        ("what viewers lost", config.stash.get(LEDGER, Ledger()).table()),
    ):
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.line(
            f"{left_out} faults that take long were left out; ./deploy/app.sh test faults runs them"
        )
