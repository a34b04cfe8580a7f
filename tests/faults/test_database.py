"""The database is there but does not let anybody write."""

import time

import pytest

from tests.acceptance.stack import until
from tests.faults.channel import Channel


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
