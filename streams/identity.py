"""The identity of a worker process: the name under which it holds leases."""

import os
import secrets
from functools import cache as once
from pathlib import Path

from django.conf import settings

HOST: str = settings.HOST


def make() -> str:
    """`host:where pids mean something:pid:start time:nonce`. The last, so that no two are ever the
    same."""
    pid = os.getpid()
    return f"{HOST}:{_pid_world()}:{pid}:{_started(pid)}:{secrets.token_hex(4)}"


def is_here(host: str) -> bool:
    """Whether this is a name of this host. A machine may be renamed while it is on air."""
    own = settings.HOST_ID
    return host == HOST or (bool(own) and host.endswith(f"-{own}"))


def host_of(holder: str) -> str:
    return holder.partition(":")[0]


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this host that is no more. False when in doubt."""
    try:
        host, world, pid, started, _ = holder.split(":")
        if not is_here(host) or world != _pid_world():
            return False
        return _started(int(pid)) != started
    except (ValueError, PermissionError):
        return False


@once
def _pid_world() -> str:
    """Two containers may have one host's name, and a machine keeps its own when it is started anew,
    in a first namespace of the same number; pids mean nothing across either border."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return os.readlink("/proc/self/ns/pid").strip("pid:[]") + f"-{boot}"


def _started(pid: int) -> str:
    """Clock ticks since boot, which no later process with this pid shares; empty: no such process.

    A zombie counts as none: it does nothing any more.
    """
    try:
        # The name, in brackets, may itself hold brackets and spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
