"""The identity of a worker process: the name under which it holds leases."""

import os
import secrets
import socket
from pathlib import Path

HOST = socket.gethostname()[:63]


def make() -> str:
    """`host:pid namespace:pid:start time:nonce`. The last, so that no two are ever the same."""
    pid = os.getpid()
    return f"{HOST}:{_pid_namespace()}:{pid}:{_started(pid)}:{secrets.token_hex(4)}"


def host_of(holder: str) -> str:
    return holder.partition(":")[0]


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this host that is no more. False when in doubt."""
    try:
        host, namespace, pid, started, _ = holder.split(":")
        if host != HOST or namespace != _pid_namespace():
            return False
        return _started(int(pid)) != started
    except (ValueError, PermissionError):
        return False


def _pid_namespace() -> str:
    """Two containers may have one host's name; pids mean nothing across their border."""
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")


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
