"""Sessions while Redis hangs: as quick as the database, and never older than it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.sessions.backends.cached_db import SessionStore

from livestream import redis_settings, session_cache
from livestream.redis_routes import Route
from tests.faults.workers import frozen
from tests.redis_server import start_redis

pytestmark = [pytest.mark.django_db, pytest.mark.leaves_connections]


@pytest.fixture
def redis(tmp_path: Path, settings: LazySettings) -> Iterator[int]:
    """One of the test's own has the sessions; its pid."""
    server, url = start_redis(tmp_path)
    cache = redis_settings.session_cache(Route(url), "test-sessions")
    settings.CACHES = {**settings.CACHES, "sessions": cache}
    session_cache.absence.__init__()  # type: ignore[misc]  # nobody remembers another test's
    yield server.pid
    server.kill()
    server.wait()


def log_in() -> str:
    session = SessionStore()
    session["name"] = "alice"
    session.save()
    assert session.session_key is not None
    return session.session_key


def test_a_redis_that_hangs_holds_up_one_of_many(redis: int) -> None:
    key = log_in()
    with frozen(redis):
        began = time.monotonic()
        for _ in range(20):
            assert SessionStore(key)["name"] == "alice"
        assert time.monotonic() - began < 2.5


@contextmanager
def away(redis: int) -> Iterator[None]:
    """It hangs, and is left alone; at the end it answers, and is asked again."""
    with frozen(redis):
        SessionStore(log_in()).exists("nobody")
        yield
    session_cache.absence.until = 0.0


def test_who_logged_out_meanwhile_stays_logged_out(redis: int) -> None:
    key, other = log_in(), log_in()
    with away(redis):
        SessionStore(key).flush()
    assert SessionStore(other)["name"] == "alice"
    assert "name" not in SessionStore(key)


def test_what_was_changed_meanwhile_is_read(redis: int) -> None:
    key = log_in()
    with away(redis):
        session = SessionStore(key)
        session["name"] = "bob"
        session.save()
    assert SessionStore(key)["name"] == "bob"
    # And it is cached again.
    assert SessionStore(key).cache_key in SessionStore()._cache
