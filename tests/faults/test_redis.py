"""Redis goes away, comes back, or forgets everything: video goes on, and starts all the same."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from tests.acceptance.stack import Stack, until
from tests.faults.channel import Channel
from tests.faults.chatters import Chatters
from tests.faults.conftest import Stage
from tests.faults.ledger import Entry
from tests.faults.workers import frozen


@contextmanager
def without_redis(stack: Stack) -> Iterator[None]:
    stack.control("stop", "redis")
    try:
        yield
    finally:
        stack.control("start", "redis")


def test_without_redis_health_says_so_and_the_video_goes_on(channel: Channel) -> None:
    encoder, stack = channel.encoder(), channel.stack
    with channel.fault("Redis away for some seconds") as fault:
        with without_redis(stack):
            failing = until(lambda: stack.get("/health", stack.backend).json["failing"], 20, "503")
            assert "redis" in failing
            assert stack.get("/health", stack.backend).status == 503
            assert stack.app("status").returncode == 1
            channel.await_segments(2)
        returned = time.monotonic()
        until(lambda: stack.get("/health", stack.backend).status == 200, 30, "all is well")
        fault.recovered = time.monotonic() - returned
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


def test_a_publish_without_redis_is_on_air_all_the_same(stage: Stage) -> None:
    """No worker can have been told of it: the broker is away all the time."""
    channel = stage.channel()
    with without_redis(stage.stack):
        published = time.monotonic()
        channel.publisher.start()
        until(lambda: stage.record.runs(channel.name), 20, "a run")
        took = time.monotonic() - published
        channel.await_air()
    assert took < 10
    channel.note(Entry("publish while Redis is away: the first run", None, None, took))
    channel.is_sound()


@pytest.mark.parametrize("seconds", [10.0, pytest.param(40.0, marks=pytest.mark.slow_fault)])
def test_a_frozen_redis_costs_the_viewer_nothing_and_pages_and_chat_go_on(
    channel: Channel, seconds: float
) -> None:
    """Worse than one that is away: it takes connections, and answers none."""
    encoder, stack, slowest = channel.encoder(), channel.stack, 0.0
    pages = ("/", f"/{channel.name}", f"/api/streams/{channel.name}")
    with Chatters(stack.backend, channel.name, 3) as chat:
        until(lambda: len(chat.acknowledged) >= 3, 20, "everybody talks")
        with channel.fault(f"Redis hangs (SIGSTOP) for {seconds:.0f} s") as fault:
            with frozen(stack.pids()["redis"]):
                over, said = time.monotonic() + seconds, len(chat.acknowledged)
                while time.monotonic() < over:
                    for page in pages:
                        asked = time.monotonic()
                        assert stack.get(page).status == 200
                        slowest = max(slowest, time.monotonic() - asked)
                channel.await_segments(2)
                # Everybody is in the same process here.
                until(lambda: len(chat.acknowledged) > said, 20, "what is said is heard")
            returned = time.monotonic()
            until(lambda: stack.get("/health", stack.backend).status == 200, 30, "all is well")
            fault.recovered = time.monotonic() - returned
            fault.remark = f"slowest page meanwhile: {slowest:.1f} s"
        said = len(chat.acknowledged)
        until(lambda: len(chat.acknowledged) > said + 3, 30, "everybody talks again")
    assert fault.losses is not None
    told = channel.record.events(channel.name)
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0), told
    assert channel.encoder() == encoder, told
    assert slowest < 5
    assert chat.refused == []


@pytest.mark.slow_fault
def test_a_killed_redis_costs_the_viewer_nothing(channel: Channel) -> None:
    encoder, stack = channel.encoder(), channel.stack
    with channel.fault("Redis killed (kill -9)") as fault:
        os.kill(stack.pids()["redis"], signal.SIGKILL)
        until(lambda: stack.get("/health", stack.backend).status == 503, 10, "health notices")
        until(lambda: stack.get("/health", stack.backend).status == 200, 30, "all is well")
        fault.over()
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_a_flushed_redis_costs_the_viewer_nothing_and_streams_start_as_ever(
    stage: Stage, channel: Channel
) -> None:
    encoder = channel.encoder()
    with channel.fault("Redis flushed (FLUSHALL)") as fault:
        flush(stage.stack)
        other = stage.channel()
        started = time.monotonic()
        other.publisher.start()
        # The queue is flushed over and over, so that no task can come through.
        until(lambda: flush(stage.stack) and stage.record.runs(other.name), 10, "a run")
        fault.recovered = time.monotonic() - started
        fault.remark = "recovered: the next publisher's first run"
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


def flush(stack: Stack) -> bool:
    with Redis(port=stack.redis, password=stack.redis_password, socket_timeout=5) as client:
        return bool(client.flushall())
