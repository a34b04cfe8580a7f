"""FFmpeg dies, hangs, or loses the ground it stands on."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.channel import SEGMENT, Channel
from tests.faults.conftest import Stage
from tests.faults.ledger import Entry
from tests.faults.record import Row


def test_a_killed_ffmpeg_is_a_jump_of_two_segments_at_most(fresh: Channel) -> None:
    channel, before = fresh, fresh.encoder()
    with channel.fault("FFmpeg killed (kill -9)") as fault:
        os.kill(before.pid, signal.SIGKILL)
        channel.await_new_run(before)
        assert fault.over() < 2 * SEGMENT
    assert fault.losses is not None
    assert fault.losses.discontinuities == 1
    assert fault.losses.lost <= 2 * SEGMENT
    assert channel.record.runs(channel.name)[1]["end_reason"] == "killed"


def test_a_hanging_ffmpeg_is_replaced(fresh: Channel) -> None:
    """Stopped, not dead: only what it writes tells."""
    channel, before = fresh, fresh.encoder()
    with channel.fault("FFmpeg hangs (SIGSTOP)") as fault:
        os.kill(before.pid, signal.SIGSTOP)
        channel.await_new_run(before)
        assert fault.over() < 10 + 5 + 2 * SEGMENT
    assert channel.record.runs(channel.name)[1]["end_reason"] == "stalled"


def test_a_run_folder_deleted_under_ffmpeg_is_replaced(fresh: Channel) -> None:
    channel, before = fresh, fresh.encoder()
    folder = channel.stack.hls / channel.record.runs(channel.name)[0]["folder"]
    with channel.fault("run folder deleted under FFmpeg", deletes=True) as fault:
        shutil.rmtree(folder)
        channel.await_new_run(before)
        assert fault.over() < 15


@pytest.mark.slow_fault
def test_a_killed_ffmpeg_with_a_ladder_cuts_all_renditions_alike(stage: Stage) -> None:
    channel = stage.channel(size="854x480").begin()
    before = channel.encoder()
    with channel.fault("FFmpeg with two renditions killed (kill -9)") as fault:
        os.kill(before.pid, signal.SIGKILL)
        channel.await_new_run(before)
        assert fault.over() < 2 * SEGMENT + 1


@pytest.mark.slow_fault
def test_an_ffmpeg_that_ignores_term_is_killed(fresh: Channel) -> None:
    """A process the kernel froze acts on no signal but KILL; here it is stopped again and again."""
    channel, before = fresh, fresh.encoder()
    with channel.fault("FFmpeg hangs and does not end when asked") as fault:

        def frozen() -> bool:
            if Path(f"/proc/{before.pid}").exists() and channel.encoders() != []:
                os.kill(before.pid, signal.SIGSTOP)
            return before.run[:8] not in channel.playlist().segments[-1].run

        channel.until(frozen, 40, "a segment of a new run")
        assert fault.over() < 10 + 5 + 5 + 2 * SEGMENT


@pytest.mark.slow_fault
def test_an_ffmpeg_that_crashes_again_and_again_is_given_up_on_until_the_next_publish(
    stage: Stage,
) -> None:
    channel = stage.channel(grace_seconds=30).begin()
    started = time.monotonic()

    def failed() -> bool:
        for encoder in channel.encoders():
            with suppress(ProcessLookupError):
                os.kill(encoder.pid, signal.SIGSEGV)
        return bool(channel.row["state"] == "failed")

    channel.until(failed, 120, "it is given up on")
    row, runs = channel.row, channel.record.runs(channel.name)
    assert "8 times in a row" in row["end_note"]
    assert "SIGSEGV" in row["end_note"]
    # The first one may have been replaced before, once its source was known.
    reasons = {run["end_reason"] for run in runs}
    assert {"encoder_crashed"} <= reasons <= {"encoder_crashed", "replanned"}
    channel.note(
        Entry("FFmpeg crashes again and again: given up on", None, None,
              time.monotonic() - started, f"after {len(runs)} runs")
    )  # fmt: skip
    # Nothing is tried while the publisher stays; another publish is another try.
    assert channel.publisher.publishing
    channel.publisher.stop()
    began = time.monotonic()
    channel.publisher.start()
    channel.until(lambda: channel.row["state"] == "live", 30, "it is on air again")
    channel.note(Entry("the next publish after that", None, None, time.monotonic() - began))
    assert channel.row["_id"] == row["_id"]
    channel.is_sound()


@pytest.mark.slow_fault
def test_an_ffmpeg_slower_than_real_time_is_replaced_by_one_that_makes_less(stage: Stage) -> None:
    """It gets a twentieth of a core, until its successor comes."""
    channel = stage.channel(size="854x480").begin()
    before = channel.encoder()
    ladder = renditions(channel.record.runs(channel.name)[0])
    assert ladder > 1
    with channel.fault("FFmpeg slower than real time") as fault, slowed(before.pid):
        channel.until(lambda: channel.record.runs(channel.name)[0]["number"] > 1, 90, "a new run")
        channel.await_new_run(before)
        fault.over()
    runs = channel.record.runs(channel.name)
    assert runs[1]["end_reason"] == "slow"
    assert renditions(runs[0]) == ladder - 1
    assert any(line.startswith("shed: ") for line in channel.record.events(channel.name))
    assert "too slow" in channel.row["ladder_note"]


@pytest.mark.slow_fault
def test_what_it_goes_without_comes_back_after_ten_quiet_minutes(stage: Stage) -> None:
    """They pass on the record alone: whoever adopts a run takes its age from there."""
    channel = stage.channel(size="854x480").begin()
    ladder = renditions(channel.record.runs(channel.name)[0])
    channel.record.change("broadcast", {"_id": channel.row["_id"]}, shed=1)
    os.kill(channel.encoder().pid, signal.SIGKILL)
    channel.until(lambda: channel.record.runs(channel.name)[0]["number"] == 2, 30, "a new run")
    channel.await_segments(3)
    shorter, run = channel.encoder(), channel.record.runs(channel.name)[0]
    assert renditions(run) == ladder - 1
    then = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=11)
    channel.record.change("run", {"_id": run["_id"]}, started_at=then)
    with channel.fault("ten quiet minutes after that: the quality comes back") as fault:
        os.kill(channel.stack.pids()["worker"], signal.SIGKILL)
        channel.await_new_run(shorter, 60)
        fault.over()
    newest = channel.record.runs(channel.name)[0]
    assert (newest["number"], renditions(newest)) == (3, ladder)
    events = channel.record.events(channel.name)
    assert any(line.startswith("restored: ") for line in events), events


def renditions(run: Row) -> int:
    """How many it makes. SQLite keeps them as text."""
    found = run["renditions"]
    return len(json.loads(found) if isinstance(found, str) else found)


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """The process runs for 5 ms in every 100 meanwhile."""
    over = threading.Event()

    def work() -> None:
        with suppress(ProcessLookupError):
            while not over.wait(0.005):
                os.kill(pid, signal.SIGSTOP)
                over.wait(0.095)
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
