"""The worker and the web processes come and go; neither FFmpeg nor the viewer notices."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.stack import until
from tests.faults.channel import SEGMENT, Channel
from tests.faults.workers import frozen, second_worker

LEASE = 15.0


def holder(channel: Channel) -> str:
    return str(channel.row["holder"])


def driven_anew(channel: Channel, before: str) -> bool:
    """Whether somebody else holds the lease now."""
    return holder(channel) not in ("", before)


def age_of(pid: int) -> float:
    """Seconds since the process began."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def test_a_killed_worker_costs_the_viewer_nothing(channel: Channel) -> None:
    encoder, worker, lease = channel.encoder(), channel.stack.pids()["worker"], holder(channel)
    with channel.fault("worker killed (kill -9)") as fault:
        os.kill(worker, signal.SIGKILL)
        until(lambda: driven_anew(channel, lease), LEASE + 30, "a new driver")
        fault.over()
        age = age_of(int(holder(channel).split(":")[2]))
        fault.remark = f"adopted {age:.1f} s after the new worker's process began"
        assert age < 5
    assert fault.losses is not None
    assert fault.losses.stalled == 0.0
    assert fault.losses.lost == 0.0
    assert channel.encoder() == encoder


def test_web_and_worker_restarted_together_cost_the_viewer_nothing(channel: Channel) -> None:
    encoder = channel.encoder()
    with channel.fault("`app.sh restart worker web`", settle=3) as fault:
        done = channel.stack.app("restart", "worker", "web")
        assert done.returncode == 0, done.stdout
        channel.await_segments(1)
        fault.over()
    assert fault.losses is not None
    assert fault.losses.stalled == 0.0
    assert fault.losses.lost == 0.0
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_a_worker_that_is_asked_to_stop_hands_over(channel: Channel) -> None:
    encoder, lease = channel.encoder(), holder(channel)
    with channel.fault("`app.sh restart worker` (SIGTERM)") as fault:
        done = channel.stack.app("restart", "worker")
        assert done.returncode == 0, done.stdout
        until(lambda: driven_anew(channel, lease), 15, "a new driver")
        fault.over()
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
@pytest.mark.parametrize("process", ["web", "origin", "edge", "beat"])
def test_a_killed_process_of_ours_costs_the_viewer_nothing(channel: Channel, process: str) -> None:
    encoder, stack = channel.encoder(), channel.stack
    killed = stack.pids()[process]
    with channel.fault(f"{process} killed (kill -9)", settle=3) as fault:
        for pid in (killed, *stack.children(killed)):
            os.kill(pid, signal.SIGKILL)
        until(lambda: stack.running().get(process, killed) != killed, 30, f"a new {process}")
        until(lambda: stack.get("/health", stack.backend).status == 200, 30, "all is well")
        fault.over()
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_a_worker_frozen_for_longer_than_its_lease_finds_that_it_lost_it(
    channel: Channel,
) -> None:
    stack = channel.stack
    encoder, first, lease = channel.encoder(), stack.pids()["worker"], holder(channel)
    log = stack.var / "log/second-worker.log"
    with (
        second_worker("second", stack.process_environment(), log),
        channel.fault("worker frozen (SIGSTOP) for longer than its lease, a second one there") as f,
    ):
        with frozen(first):
            until(lambda: driven_anew(channel, lease), LEASE + 30, "the second one drives")
            f.over()
            second = holder(channel)
            channel.await_segments(3)
        # Now both run, and the first one still believes that it drives.
        until_quiet = time.monotonic() + LEASE
        until(lambda: time.monotonic() > until_quiet, LEASE + 5, "a lease's time has passed")
        assert holder(channel) == second
        assert channel.encoder() == encoder
    assert f.losses is not None
    assert (f.losses.stalled, f.losses.lost) == (0.0, 0.0)
    # The second one has stopped and handed over.
    until(lambda: driven_anew(channel, second), LEASE + 10, "the first one drives again")
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_ffmpeg_that_dies_while_no_worker_is_there_is_replaced_by_the_next(
    fresh: Channel,
) -> None:
    channel, before, stack = fresh, fresh.encoder(), fresh.stack
    with channel.fault("worker and FFmpeg killed together") as fault:
        stack.control("stop", "worker")
        os.kill(before.pid, signal.SIGKILL)
        started = time.monotonic()
        stack.control("start", "worker")
        channel.await_new_run(before)
        fault.over()
        fault.remark = f"{time.monotonic() - started:.1f} s after the worker was started"
        assert time.monotonic() - started < 5 + 5 + 2 * SEGMENT
