"""What the tests of Redis share: what a test leaves behind goes with it."""

import gc
import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """channels_redis leaves connections to the garbage collector, which would complain in the
    middle of another test."""
    result = yield
    if item.get_closest_marker("leaves_connections"):
        complain, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            gc.collect()
        finally:
            sys.unraisablehook = complain
    return result
