"""Isolation: what keeps one FFmpeg from hurting the others, the worker and the web server.

Everything is done to the process from outside, right after its start, because code between fork
and exec is not safe in a process with threads. Nothing here needs privileges; what a machine does
not have or not allow is left out, and the FFmpeg runs all the same.
"""

import ctypes
import logging
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.supervisor import cgroup

logger = logging.getLogger(__name__)

# The kernel takes the process with the highest score first; ours have 0.
OOM_SCORE = 500
MOST_FILES = 256
# A log or a segment that grows without end must not fill the disk.
LARGEST_FILE = 4 << 30
IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
WHO_GROUP = 2
BEST_EFFORT = 2 << 13
DISK_LEVEL = 6  # 0 is served first, 7 last, 4 is usual
# Without privileges the kernel takes one change of an autogroup in a tenth of a second.
AUTOGROUP_TRIES = 8


@dataclass(frozen=True)
class Limits:
    """`memory` in bytes and `cores`: 0 means no limit; both need a cgroup (v2) of the run's own."""

    nice: int = 0
    memory: int = 0
    cores: float = 0.0


NO_LIMITS = Limits()


def isolate(pid: int, run_id: str, limits: Limits) -> Path | None:
    """Apply what can be applied to a process that leads a session; its cgroup, if it has one."""
    steps: tuple[Callable[[int, Limits], None], ...] = (
        _sacrifice,
        _cap_files,
        _yield_cpu,
        _yield_disk,
        _yield_cpu_as_a_session,
    )
    for step in steps:
        try:
            step(pid, limits)
        except OSError as error:
            logger.debug("run %s goes without %s: %s", run_id, step.__name__, error)
    parent = _parent_of_runs()
    if parent is None:
        return None
    return cgroup.enter(
        parent, pid, run_id, nice=limits.nice, memory=limits.memory, cores=limits.cores
    )


def remove_leftovers() -> None:
    """Of runs whose end no worker saw."""
    parent = _parent_of_runs()
    if parent is not None:
        cgroup.remove_leftovers(parent)


def usable_cores() -> float:
    """Of this host, as far as this process may use them."""
    cores = float(len(os.sched_getaffinity(0)))
    place = cgroup.here()
    quota = cgroup.cpu_quota(*place) if place is not None else None
    return min(cores, quota) if quota is not None else cores


def _parent_of_runs() -> Path | None:
    place = cgroup.here()
    return cgroup.parent_of_runs(*place) if place is not None else None


def _sacrifice(pid: int, limits: Limits) -> None:
    """Out of memory, an FFmpeg goes before the worker: it has a successor within a second."""
    file = Path(f"/proc/{pid}/oom_score_adj")
    if int(file.read_text()) < OOM_SCORE:
        file.write_text(str(OOM_SCORE))


def _cap_files(pid: int, limits: Limits) -> None:
    # A core dump of a gigabyte on every crash would fill the disk.
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    for kind, most in ((resource.RLIMIT_NOFILE, MOST_FILES), (resource.RLIMIT_FSIZE, LARGEST_FILE)):
        hard = resource.prlimit(pid, kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (most, most))


def _yield_cpu(pid: int, limits: Limits) -> None:
    # By the group: a nice value is a thread's, and FFmpeg may have some already.
    if os.getpriority(os.PRIO_PROCESS, pid) < limits.nice:
        os.setpriority(os.PRIO_PGRP, pid, limits.nice)


def _yield_disk(pid: int, limits: Limits) -> None:
    number = IOPRIO_SET.get(platform.machine())
    if number is not None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, WHO_GROUP, pid, BEST_EFFORT | DISK_LEVEL) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))


def _yield_cpu_as_a_session(pid: int, limits: Limits) -> None:
    """Where sessions are scheduled as groups (sched_autogroup), a nice value counts within its
    session only; the group's own is another."""
    for _ in range(AUTOGROUP_TRIES if limits.nice else 0):
        try:
            Path(f"/proc/{pid}/autogroup").write_text(str(limits.nice))
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return
