"""Pids are numbers that anything may have: only the run id in its environment makes it ours."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.faults.channel import Channel
from tests.faults.ledger import Entry


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, and ends by the first signal it gets."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow_fault
@pytest.mark.parametrize("encoder_lives", [True, False])
def test_a_stranger_with_the_pid_of_record_is_never_signalled(
    fresh: Channel, stranger: subprocess.Popen[bytes], encoder_lives: bool
) -> None:
    channel, before = fresh, fresh.encoder()
    stack, run = channel.stack, channel.record.runs(channel.name)[0]["_id"]
    what = "pid of record is a stranger's, FFmpeg " + ("alive" if encoder_lives else "dead")
    with channel.fault(what) as fault:
        stack.control("stop", "worker")
        if not encoder_lives:
            os.kill(before.pid, signal.SIGKILL)
        channel.record.change("run", {"_id": run}, pid=stranger.pid)
        stack.control("start", "worker")
        if encoder_lives:
            channel.await_segments(4)
        else:
            channel.await_new_run(before)
        fault.over()
    assert stranger.poll() is None
    assert (channel.encoder() == before) is encoder_lives


@pytest.mark.slow_fault
def test_a_stranger_with_the_pid_of_record_survives_the_end_of_the_broadcast(
    fresh: Channel, stranger: subprocess.Popen[bytes]
) -> None:
    run = fresh.record.runs(fresh.name)[0]["_id"]
    fresh.record.change("run", {"_id": run}, pid=stranger.pid)
    left = time.monotonic()
    fresh.end()
    took = time.monotonic() - left
    fresh.note(Entry("pid of record is a stranger's, broadcast ends", None, None, took))
    assert stranger.poll() is None
