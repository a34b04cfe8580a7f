"""Processes: spawn, find again, watch, signal and reap one FFmpeg each.

A process is started in its own session with files for its output, so that it outlives the worker;
it is found again by the run id in its environment and watched through a pidfd, so that a reused
pid can neither be mistaken for it nor be signalled.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.supervisor import cgroup
from streams.supervisor.isolation import NO_LIMITS, Limits, isolate

RUN_ID = "LIVESTREAM_RUN_ID"
ROOT = "LIVESTREAM_HLS_ROOT"
# Even a process stuck in the kernel is given up on after this.
KILLED_WITHIN = 5.0
INHERITED = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")

# Children that were left to their own, to be reaped once they end.
_left: list[subprocess.Popen[bytes]] = []


class Process:
    """A running or ended FFmpeg, ours by birth or by adoption."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        """Raises ProcessLookupError when no such process is there."""
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self._child = child
        self._cgroup: Path | None = None

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        *,
        run_id: str,
        root: Path,
        log: Path,
        limits: Limits = NO_LIMITS,
    ) -> "Process":
        """Start argv; its environment holds the run id and nothing secret."""
        _left[:] = [child for child in _left if child.poll() is None]
        with log.open("ab") as output:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env=child_environment(os.environ, run_id=run_id, root=root),
                start_new_session=True,
            )
        try:
            process = cls(child.pid, child)
        except OSError:  # without a descriptor left nobody could watch it
            child.kill()
            child.wait()
            raise
        process._cgroup = isolate(child.pid, run_id, limits)
        return process

    @classmethod
    def adopt(cls, run_id: str, root: Path, likely: int | None = None) -> "Process | None":
        """The process of this run, found on this host; None when it is gone. `likely`: the pid that
        is looked at first, because looking through all takes long where there are hundreds."""
        for pid in _pids_of(run_id, root, likely):
            with contextlib.suppress(ProcessLookupError):
                process = cls(pid)
                # The pid may have been reused between the look and the pidfd.
                if _run_of(pid, root) == run_id:
                    process._cgroup = cgroup.of(pid)
                    return process
                process.close()
        return None

    @property
    def exited(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return self._ended_within(0)

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None: running, or adopted (the parent learns it)."""
        return self._child.poll() if self._child is not None else None

    def wait(self, timeout: float) -> bool:
        """Whether it has ended within so many seconds."""
        ended = self._ended_within(timeout)
        if ended and self._child is not None:
            self._child.wait()
        return ended

    def _ended_within(self, timeout: float) -> bool:
        # Not select(): it cannot watch descriptors above 1023.
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)
        # A stopped process acts on TERM only once it is continued.
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def put_down(self, patience: float = 5.0) -> None:
        """TERM, so many seconds, KILL, reap."""
        self.terminate()
        if not self.wait(patience):
            self.kill()
            self.wait(KILLED_WITHIN)
        self.close()

    def close(self) -> None:
        os.close(self.pidfd)
        if self._cgroup is not None:  # stays while there is a process in it
            cgroup.leave(self._cgroup)

    def leave(self) -> None:
        """Watch it no longer; it goes on."""
        self.close()
        if self._child is not None:
            _left.append(self._child)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)


def put_down_all(processes: Sequence[Process], patience: float = 5.0) -> None:
    """`put_down` of many at once."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + patience
    for process in processes:
        process.put_down(max(0.0, deadline - time.monotonic()))


def child_environment(parent: Mapping[str, str], *, run_id: str, root: Path) -> dict[str, str]:
    kept = {name: parent[name] for name in INHERITED if name in parent}
    return {**kept, RUN_ID: run_id, ROOT: str(root)}


@dataclass(frozen=True)
class FoundRun:
    pid: int
    run_id: str


def find_runs(root: Path) -> Iterator[FoundRun]:
    """Every live run of this installation (its HLS root) on this host."""
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        run_id = _run_of(pid, root)
        if run_id is not None:
            yield FoundRun(pid, run_id)


def _pids_of(run_id: str, root: Path, likely: int | None) -> Iterator[int]:
    if likely is not None and _run_of(likely, root) == run_id:
        yield likely
    yield from (found.pid for found in find_runs(root) if found.run_id == run_id)


def _run_of(pid: int, root: Path) -> str | None:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or somebody else's
        return None
    prefix = f"{RUN_ID}=".encode()
    entries = text.split(b"\0")
    if f"{ROOT}={root}".encode() not in entries:
        return None
    return next((e[len(prefix) :].decode() for e in entries if e.startswith(prefix)), None)
