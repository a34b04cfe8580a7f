"""The bell wakes a supervisor, whoever rings it."""

import os
import subprocess
import threading
import time

import pytest

from streams.supervisor.bell import Bell

LONG = 30.0


def waited(bell: Bell, timeout: float, pidfd: int | None = None) -> float:
    began = time.monotonic()
    bell.wait(timeout, pidfd)
    return time.monotonic() - began


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    assert waited(bell, LONG) < LONG / 2


def test_two_rings_wake_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    bell.wait(LONG)
    assert waited(bell, 0.05) >= 0.05


def test_another_thread_wakes_it() -> None:
    bell = Bell()
    threading.Timer(0.05, bell.stop).start()
    assert waited(bell, LONG) < LONG / 2
    assert bell.stopping


def test_the_end_of_the_process_wakes_it() -> None:
    child = subprocess.Popen(["sleep", "0.05"])
    pidfd = os.pidfd_open(child.pid)
    assert waited(Bell(), LONG, pidfd) < LONG / 2
    os.close(pidfd)
    child.wait()


def test_a_closed_bell_cannot_be_rung() -> None:
    bell = Bell()
    bell.close()
    with pytest.raises(OSError, match="Bad file"):
        bell.ring()
