"""Workers: processes that drive broadcasts, beside the one of the stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.deploy.installation import ROOT


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process stands still meanwhile; it goes on afterwards whatever happens here."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class Worker:
    """A Celery worker as deploy/sh/process.sh starts it, under another name."""

    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [f"{sys.prefix}/bin/python", "-m", "livestream.worker", "--name", name],
                cwd=ROOT, env={**environment, "MALLOC_ARENA_MAX": "2"}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """As supervisord stops one."""
        self._process.terminate()
        self._process.wait(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@contextmanager
def second_worker(name: str, environment: Mapping[str, str], log: Path) -> Iterator[Worker]:
    worker = Worker(name, environment, log)
    try:
        yield worker
    finally:
        if worker._process.poll() is None:
            worker.stop()
