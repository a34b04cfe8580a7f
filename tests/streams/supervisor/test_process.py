"""Real processes, one test per way to live and to die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streams.supervisor.process import Process, find_runs

Spawn = Callable[..., Process]
IGNORES_TERM = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    started: list[Process] = []

    def start(*argv: str, run_id: str = "") -> Process:
        process = Process.spawn(
            argv, run_id=run_id or uuid4().hex, root=tmp_path, log=tmp_path / "log"
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if not process.exited:
            process.put_down(patience=0.0)


def wait_for_text(file: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in file.read_text():
        assert time.monotonic() < deadline, f"{text!r} never appeared"
        time.sleep(0.01)


def adopted(run_id: str, root: Path) -> Process:
    """The kernel shows a process's environment a moment after its start."""
    deadline = time.monotonic() + 10
    while (process := Process.adopt(run_id, root)) is None:
        assert time.monotonic() < deadline, "the run was never found"
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 1", 1), ("exit 255", 255)])
def test_it_learns_the_exit_code(spawn: Spawn, command: str, code: int) -> None:
    process = spawn("sh", "-c", command)
    assert process.wait(5)
    assert process.exited
    assert process.exit_code == code


def test_a_killed_process_has_a_negative_code(spawn: Spawn) -> None:
    process = spawn("sleep", "60")
    process.kill()
    assert process.wait(5)
    assert process.exit_code == -signal.SIGKILL


def test_put_down_kills_one_that_ignores_term(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn(sys.executable, "-c", f"{IGNORES_TERM}; time.sleep(60)")
    wait_for_text(tmp_path / "log", "up")
    process.put_down(patience=0.3)
    assert process.exit_code == -signal.SIGKILL


def test_a_stopped_process_still_hears_term(spawn: Spawn) -> None:
    process = spawn("sleep", "60")
    os.kill(process.pid, signal.SIGSTOP)
    process.terminate()
    assert process.wait(5)
    assert process.exit_code == -signal.SIGTERM


def test_signals_to_a_process_that_is_gone_do_nothing(spawn: Spawn) -> None:
    process = spawn("true")
    assert process.wait(5)
    process.terminate()
    process.kill()


def test_it_has_a_session_of_its_own(spawn: Spawn) -> None:
    process = spawn("sleep", "60")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_no_secret_of_ours_reaches_it(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SECRET_KEY", "LIVESTREAM_INGEST_SECRET", "REDIS_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hush-hush")
    process = spawn(sys.executable, "-c", SLEEPS)
    wait_for_text(tmp_path / "log", "up")
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"LIVESTREAM_RUN_ID=" in environment
    assert b"hush-hush" not in environment + Path(f"/proc/{process.pid}/cmdline").read_bytes()


def test_another_worker_finds_it_after_its_parent_was_killed(tmp_path: Path) -> None:
    run_id = uuid4().hex
    code = (
        "import sys, time; from pathlib import Path;"
        "from streams.supervisor.process import Process;"
        f"Process.spawn(['sleep', '60'], run_id='{run_id}', root=Path('{tmp_path}'),"
        f"  log=Path('{tmp_path}/log'));"
        "print('up', flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    worker.kill()
    worker.wait()
    worker.stdout.close()
    process = adopted(run_id, tmp_path)
    assert not process.exited
    process.put_down()
    assert Process.adopt(run_id, tmp_path) is None


def test_it_adopts_neither_another_run_nor_another_installation(
    spawn: Spawn, tmp_path: Path
) -> None:
    run_id = uuid4().hex
    process = spawn(sys.executable, "-c", SLEEPS, run_id=run_id)
    wait_for_text(tmp_path / "log", "up")
    assert Process.adopt(uuid4().hex, tmp_path) is None
    assert Process.adopt(run_id, tmp_path / "elsewhere") is None
    assert Process.adopt(run_id, tmp_path) is not None
    assert [found.pid for found in find_runs(tmp_path)] == [process.pid]


def test_a_process_that_nobody_could_watch_is_not_left_behind(
    spawn: Spawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pid: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as full:
        full.setattr(os, "pidfd_open", fail)
        with pytest.raises(OSError, match="Too many open files"):
            spawn(sys.executable, "-c", SLEEPS)
    assert list(find_runs(tmp_path)) == []


@pytest.mark.parametrize("likely", ["its own", "a stranger's", "nobody's"])
def test_it_is_found_whatever_pid_is_thought_to_be_its_own(
    spawn: Spawn, tmp_path: Path, likely: str
) -> None:
    process = spawn(sys.executable, "-c", SLEEPS, run_id="1" * 32)
    adopted("1" * 32, tmp_path).close()
    pids = {"its own": process.pid, "a stranger's": os.getpid(), "nobody's": 4_194_304}
    found = Process.adopt("1" * 32, tmp_path, pids[likely])
    assert found is not None
    assert found.pid == process.pid
    found.close()
