"""FFmpeg dies, hangs, or loses the ground it stands on."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.channel import SEGMENT, Channel
from tests.faults.conftest import Stage


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
