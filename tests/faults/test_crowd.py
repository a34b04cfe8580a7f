"""A hundred publishers come at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.encoders import encoders
from tests.acceptance.publisher import AAC, SOUND, h264, moving
from tests.acceptance.stack import until
from tests.faults import flv
from tests.faults.conftest import Stage
from tests.faults.ledger import Entry
from tests.faults.test_hooks import hook

CROWD = 100
# The ingest's proxy_read_timeout: later answers refuse a publisher.
HOOK_PATIENCE = 4.0


@pytest.mark.slow_fault
@pytest.mark.timeout(400)
def test_a_hundred_publishers_at_once_are_all_on_air(stage: Stage, tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.flv"
    flv.record((*moving("160x120", 5), *SOUND, *h264(10), *AAC), 20, tiny)
    source = ("-stream_loop", "-1", "-i", str(tiny), "-c", "copy")
    names = [stage.name() for _ in range(CROWD)]
    # A worker drives LIVESTREAM_MOST_BROADCASTS, which is as many as come here.
    stage.rest()
    publishers = [stage.publisher(name, source) for name in names]
    began = time.monotonic()
    for publisher in publishers:
        publisher.start()
    started = time.monotonic() - began
    until(lambda: on_air(stage, names, "starting", "live") == CROWD, 30, "all are let in")
    admitted = time.monotonic() - began
    until(lambda: on_air(stage, names, "live") == CROWD, 150, "all are live")
    live = time.monotonic() - began
    remark = f"started within {started:.1f} s, let in after {admitted:.1f} s, last one live then"
    stage.ledger.add(Entry(f"{CROWD} publishers at once", None, None, live, remark))
    mine = [encoder for encoder in encoders(stage.stack.hls) if encoder.stream in names]
    assert len(mine) == CROWD
    assert [name for name in names if stage.watch.doubles.get(name)] == []
    assert all(publisher.publishing for publisher in publishers)
    stage.clear()
    until(lambda: on_air(stage, names, "reconnecting", "live") == 0, 60, "all have ended")


@pytest.mark.slow_fault
def test_a_hundred_publishes_in_the_same_second_are_answered_in_time(stage: Stage) -> None:
    """FFmpegs take longer than a second to start; nginx's requests do not."""
    names = [stage.name() for _ in range(CROWD)]
    stage.rest()

    def publish(name: str) -> tuple[int, float]:
        asked = time.monotonic()
        return hook(stage, "publish", name, f"9{name[-3:]}").status, time.monotonic() - asked

    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(publish, names))
    slowest = max(seconds for _, seconds in answers)
    stage.ledger.add(Entry(f"{CROWD} publish hooks at once: the last answer", None, None, slowest))
    assert {status for status, _ in answers} == {302}
    assert slowest < HOOK_PATIENCE
    # Nobody publishes, so none of them may stay.
    until(lambda: on_air(stage, names, "starting") == 0, 60, "all are closed again")


def on_air(stage: Stage, names: list[str], *states: str) -> int:
    ours = {row["_id"] for row in stage.record.rows("stream") if row["name"] in names}
    return sum(
        row["open_key"] in ours and row["state"] in states for row in stage.record.rows("broadcast")
    )
