"""Two workers, one set of broadcasts, tasks that come twice: each broadcast gets one encoder."""

import time
from pathlib import Path

import pytest

from tests.acceptance.encoders import Watch
from tests.acceptance.stack import until
from tests.faults.ledger import Entry, Ledger
from tests.faults.rehearsal import Rehearsal


@pytest.mark.acceptance
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow_fault)])
def test_two_workers_race_and_one_of_them_dies(tmp_path: Path, ledger: Ledger, count: int) -> None:
    """Both hear of all of them in the same moment, by the broker and by looking."""
    watch = Watch(tmp_path / "hls").start()
    with (
        Rehearsal(tmp_path, count).on_stage() as rehearsal,
        rehearsal.worker("one") as one,
        rehearsal.worker("two") as two,
    ):
        began = time.monotonic()
        rehearsal.publish()
        until(lambda: len(rehearsal.encoders()) >= count, 90, f"{count} encoders")
        took, share = time.monotonic() - began, rehearsal.drivers()
        remark = f"stand-ins; one each; {' + '.join(map(str, share.values()))}"
        ledger.add(Entry(f"two workers race for {count} broadcasts", None, None, took, remark))
        until(lambda: rehearsal.states() == {"live"}, 60, "all are live")
        busier = max((one, two), key=lambda worker: rehearsal.drivers().get(worker.pid, 0))
        moved = rehearsal.drivers()[busier.pid]
        busier.kill()
        killed = time.monotonic()
        until(lambda: busier.pid not in rehearsal.drivers(), 40, "the other one drives all")
        took = time.monotonic() - killed
        ledger.add(Entry(f"one of two workers killed, with {moved} broadcasts", None, None, took))
        until(lambda: rehearsal.states() == {"live"}, 30, "all are live")
        assert took < 5
        watch.stop()
        assert len(rehearsal.encoders()) == count
        assert watch.looks > 20
        assert dict(watch.doubles) == {}
        assert len(rehearsal.begun()) == len(set(rehearsal.begun())) == count
