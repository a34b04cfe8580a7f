"""What a run's process looks like to the kernel."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervisor import isolation
from streams.supervisor.isolation import Limits
from streams.supervisor.process import Process

THREADS = (
    "import threading, time\n"
    "for _ in range(3): threading.Thread(target=time.sleep, args=(60,)).start()\n"
    "print('up', flush=True)"
)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process.spawn(
        [sys.executable, "-c", THREADS],
        run_id="r1",
        root=tmp_path,
        log=tmp_path / "log",
        limits=Limits(nice=5),
    )
    deadline = time.monotonic() + 10
    while "up" not in (tmp_path / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield started
    started.put_down(patience=0.0)


def text(process: Process, name: str) -> str:
    return Path(f"/proc/{process.pid}/{name}").read_text()


def test_every_thread_of_it_is_nice(process: Process) -> None:
    threads = [int(name) for name in os.listdir(f"/proc/{process.pid}/task")]
    assert len(threads) == 4
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {5}


def test_it_is_nice_as_a_session_too(process: Process) -> None:
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("this kernel does not schedule sessions as groups")
    assert text(process, "autogroup").strip().endswith("nice 5")


def test_its_disk_access_comes_after_others(process: Process) -> None:
    said = subprocess.run(
        ["ionice", "-p", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "best-effort: prio 6"


def test_out_of_memory_it_goes_before_the_worker(process: Process) -> None:
    ours = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(text(process, "oom_score_adj")) >= 500 > ours


def test_it_leaves_no_core_and_no_endless_file(process: Process) -> None:
    assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (256, 256)
    assert max(resource.prlimit(process.pid, resource.RLIMIT_FSIZE)) <= 4 << 30


def test_it_is_not_made_less_nice_than_the_worker(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from streams.supervisor.process import Process;"
        "from streams.supervisor.isolation import Limits; import os, sys;"
        f"p = Process.spawn(['sleep', '60'], run_id='r', root=Path({str(tmp_path)!r}),"
        f"  log=Path({str(tmp_path / 'log')!r}), limits=Limits(nice=5));"
        "print(os.getpriority(os.PRIO_PROCESS, p.pid)); p.put_down(0)"
    )
    said = subprocess.run(
        ["nice", "-n", "9", sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(said.stdout) == min(19, os.nice(0) + 9)


def test_a_process_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert isolation.isolate(gone.pid, "r1", Limits(nice=5)) is None


def test_a_host_has_as_many_cores_as_we_may_run_on() -> None:
    assert 0 < isolation.usable_cores() <= len(os.sched_getaffinity(0))
