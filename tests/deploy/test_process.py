"""What the processes are started with; and how a container's worker is kept: its process is started
again beside its FFmpegs, until the container is to stop."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.stack import until
from tests.deploy.installation import ROOT

# Stands in for the worker: notes each start, and takes its time to stop.
WORKER = """#!/bin/bash
trap 'sleep 0.3; echo handed over >> "$LIVESTREAM_VAR/ends"; exit 0' TERM
echo $$ >> "$LIVESTREAM_VAR/starts"
while true; do sleep 60 & wait $!; kill $! 2>/dev/null; done
"""


def environment(var: Path) -> dict[str, str]:
    names = ("LIVESTREAM_VAR", "LIVESTREAM_VENV", "LIVESTREAM_RUN")
    return {"PATH": os.environ["PATH"]} | dict.fromkeys(names, str(var))


class Kept:
    def __init__(self, var: Path) -> None:
        self._var = var
        (var / "bin").mkdir()
        (var / "bin/python").write_text(WORKER)
        (var / "bin/python").chmod(0o755)
        self.process = subprocess.Popen(
            [ROOT / "deploy/sh/process.sh", "worker-kept"], start_new_session=True,
            env=environment(var),
        )  # fmt: skip

    def worker(self, number: int) -> int:
        """The pid of the first, second… worker."""
        return until(lambda: self._lines("starts")[number - 1 :], 10, f"worker {number}")[0]

    @property
    def handed_over(self) -> int:
        file = self._var / "ends"
        return len(file.read_text().split("\n")) - 1 if file.exists() else 0

    def _lines(self, name: str) -> list[int]:
        file = self._var / name
        return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    with suppress(ProcessLookupError):
        os.killpg(kept.process.pid, signal.SIGKILL)
    kept.process.wait()


def test_a_worker_that_is_killed_is_started_again(kept: Kept) -> None:
    os.kill(kept.worker(1), signal.SIGKILL)
    assert kept.worker(2) != kept.worker(1)
    assert kept.process.poll() is None


def test_hup_restarts_it_once_it_has_handed_over(kept: Kept) -> None:
    first = kept.worker(1)
    kept.process.send_signal(signal.SIGHUP)
    assert kept.worker(2) != first
    assert kept.handed_over == 1


def test_term_ends_it_once_it_has_handed_over(kept: Kept) -> None:
    kept.worker(1)
    kept.process.send_signal(signal.SIGTERM)
    assert kept.process.wait(10) == 0
    assert kept.handed_over == 1


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({"LIVESTREAM_BIND": "0.0.0.0"}, "127.0.0.1"),
        ({"LIVESTREAM_BACKEND_BIND": "10.77.0.20"}, "10.77.0.20"),
    ],
)
def test_the_backend_listens_beyond_loopback_only_when_it_is_asked_itself(
    tmp_path: Path, variables: dict[str, str], host: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uvicorn").write_text('#!/bin/bash\necho "$@"')
    (tmp_path / "bin/uvicorn").chmod(0o755)
    started = subprocess.run(
        [ROOT / "deploy/sh/process.sh", "web"], capture_output=True, text=True, timeout=30,
        env=environment(tmp_path) | variables,
    )  # fmt: skip
    assert f"--host {host} --port 9000" in started.stdout, started.stderr
