"""The database is there but does not let anybody write."""

import os
import signal
import time

import pytest

from tests.acceptance.stack import until
from tests.faults.channel import Channel
from tests.faults.test_redis import without_redis


@pytest.mark.parametrize("seconds", [6.0, pytest.param(20.0, marks=pytest.mark.slow_fault)])
def test_a_locked_database_costs_the_viewer_nothing(channel: Channel, seconds: float) -> None:
    encoder = channel.encoder()
    with channel.fault(f"database locked for {seconds:.0f} s") as fault:
        with channel.record.locked():
            over = time.monotonic() + seconds
            until(lambda: time.monotonic() > over, seconds + 1, "the lock has lasted")
        returned, before = time.monotonic(), channel.row["last_segment_at"]
        until(lambda: channel.row["last_segment_at"] != before, 15, "the record goes on")
        fault.recovered = time.monotonic() - returned
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_an_ffmpeg_that_dies_while_the_database_is_locked_has_one_successor_afterwards(
    fresh: Channel,
) -> None:
    """Without the record nobody could tell whether another host has begun one."""
    channel, before = fresh, fresh.encoder()
    with channel.fault("FFmpeg killed while the database is locked for 15 s") as fault:
        with channel.record.locked():
            os.kill(before.pid, signal.SIGKILL)
            over = time.monotonic() + 15
            until(lambda: time.monotonic() > over, 16, "the lock has lasted")
        unlocked = time.monotonic()
        channel.await_new_run(before)
        fault.recovered = time.monotonic() - unlocked
        fault.remark = "recovered: since the end of the lock"
        assert fault.recovered < 10
    assert len(channel.record.runs(channel.name)) == 2


@pytest.mark.slow_fault
@pytest.mark.timeout(480)
def test_five_minutes_without_redis_and_database_cost_the_viewer_nothing(channel: Channel) -> None:
    encoder, stack = channel.encoder(), channel.stack
    with channel.fault("Redis away and database locked for five minutes") as fault:
        with without_redis(stack), channel.record.locked():
            over = time.monotonic() + 300
            until(lambda: time.monotonic() > over, 301, "five minutes have passed")
            # Nobody renews its lease, and nobody may think that it is free.
            assert channel.encoders() == [encoder]
        returned = time.monotonic()
        until(lambda: stack.get("/health", stack.backend).status == 200, 60, "all is well")
        fault.recovered = time.monotonic() - returned
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder
    assert len(channel.record.runs(channel.name)) == 1
