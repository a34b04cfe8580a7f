"""The database is there but lets nobody in, or it is not there."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import mongod
from tests.acceptance.stack import until
from tests.faults.channel import Channel, Fault
from tests.faults.test_redis import without_redis

WHAT = "MongoDB hangs (SIGSTOP)" if mongod.ON_MONGODB else "database locked"
seconds_away = pytest.mark.parametrize(
    "seconds", [6.0, pytest.param(20.0, marks=pytest.mark.slow_fault)]
)


def pause(seconds: float) -> None:
    over = time.monotonic() + seconds
    until(lambda: time.monotonic() > over, seconds + 1, "the time has passed")


def await_record(channel: Channel, fault: Fault) -> None:
    """The database is back: until what happens is written down again."""
    returned, before = time.monotonic(), channel.row["last_segment_at"]
    until(lambda: channel.row["last_segment_at"] != before, 25, "the record goes on")
    fault.recovered = time.monotonic() - returned


@seconds_away
def test_a_locked_database_costs_the_viewer_nothing(channel: Channel, seconds: float) -> None:
    encoder = channel.encoder()
    with channel.fault(f"{WHAT} for {seconds:.0f} s") as fault:
        with channel.record.locked():
            pause(seconds)
        await_record(channel, fault)
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


@contextmanager
def killed() -> Iterator[None]:
    assert mongod.SERVER is not None
    mongod.SERVER.kill()
    try:
        yield
    finally:
        mongod.SERVER.start()


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite is no server; TEST_DB=mongo runs it")
@seconds_away
def test_a_killed_database_costs_the_viewer_nothing(channel: Channel, seconds: float) -> None:
    encoder = channel.encoder()
    with channel.fault(f"MongoDB killed (kill -9), back after {seconds:.0f} s") as fault:
        with killed():
            pause(seconds)
        await_record(channel, fault)
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder
    health = channel.stack.get("/health", channel.stack.backend).json
    assert health["parts"]["database"] == {"ok": True, "detail": "mongodb answers"}


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite is no server; TEST_DB=mongo runs it")
def test_health_says_that_the_database_is_away(channel: Channel) -> None:
    def database() -> dict[str, object]:
        part: dict[str, object] = channel.stack.get("/health", channel.stack.backend).json["parts"][
            "database"
        ]
        return part

    with killed():
        said = until(lambda: found if not (found := database())["ok"] else None, 10, "it says so")
        assert "refused" in str(said["detail"]) or "closed" in str(said["detail"])
        assert str(said["detail"]).startswith("DatabaseError: ")
    until(lambda: database()["ok"], 10, "it is well again")


@pytest.mark.slow_fault
def test_an_ffmpeg_that_dies_while_the_database_is_locked_has_one_successor_afterwards(
    fresh: Channel,
) -> None:
    """Without the record nobody could tell whether another host has begun one."""
    channel, before = fresh, fresh.encoder()
    with channel.fault(f"FFmpeg killed; {WHAT} for 15 s") as fault:
        with channel.record.locked():
            os.kill(before.pid, signal.SIGKILL)
            pause(15)
        unlocked = time.monotonic()
        channel.await_new_run(before)
        fault.recovered = time.monotonic() - unlocked
        fault.remark = "recovered: since the end of the lock"
        assert fault.recovered < 10
    # Which of them were at work at the same time was watched all along.
    assert len(channel.record.runs(channel.name)) <= 3


@pytest.mark.slow_fault
@pytest.mark.timeout(480)
def test_five_minutes_without_redis_and_database_cost_the_viewer_nothing(channel: Channel) -> None:
    encoder, stack = channel.encoder(), channel.stack
    with channel.fault(f"Redis away and {WHAT} for five minutes") as fault:
        with without_redis(stack), channel.record.locked():
            pause(300)
            # Nobody renews its lease, and nobody may think that it is free.
            assert channel.encoders() == [encoder]
        returned = time.monotonic()
        until(lambda: stack.get("/health", stack.backend).status == 200, 60, "all is well")
        fault.recovered = time.monotonic() - returned
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder
    assert len(channel.record.runs(channel.name)) == 1
