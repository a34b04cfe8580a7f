"""Two workers, one set of broadcasts, tasks that come twice: each broadcast gets one encoder."""

import time
from pathlib import Path

import pytest

from tests.acceptance.stack import until
from tests.faults.encoders import Watch
from tests.faults.ledger import Entry, Ledger
from tests.faults.rehearsal import Rehearsal


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow_fault)])
def test_two_workers_race_and_one_of_them_dies(tmp_path: Path, ledger: Ledger, count: int) -> None:
    watch = Watch(tmp_path / "hls")
    with Rehearsal(tmp_path, count).on_stage() as rehearsal, rehearsal.worker("one") as one:
        rehearsal.ask_for_drivers(times=2)
        with rehearsal.worker("two"):
            watch.start()
            began = time.monotonic()
            until(lambda: len(rehearsal.encoders()) >= count, 90, f"{count} encoders")
            ledger.add(
                Entry(
                    f"two workers race for {count} broadcasts",
                    None,
                    None,
                    time.monotonic() - began,
                    "one encoder each; stand-ins",
                )
            )
            until(lambda: rehearsal.states() == {"live"}, 60, "all are live")
            before = rehearsal.drivers()
            one.kill()
            killed = time.monotonic()
            until(lambda: len(rehearsal.drivers()) == 1, 40, "the other one drives all")
            entry = f"one of two workers killed, {count} broadcasts"
            ledger.add(Entry(entry, None, None, time.monotonic() - killed, f"{before}"))
            until(lambda: rehearsal.states() == {"live"}, 30, "all are live")
        # The last one has handed over; its encoders stay.
        assert len(rehearsal.encoders()) == count
        watch.stop()
        assert dict(watch.doubles) == {}
        assert watch.looks > 20
        assert len(rehearsal.begun()) == count
        assert len(set(rehearsal.begun())) == count
