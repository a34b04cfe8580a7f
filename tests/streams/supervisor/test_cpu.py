import os
import subprocess
import sys
import time

import pytest

from streams.supervisor.cpu import CpuMeter, cpu_seconds


def test_it_counts_what_all_threads_of_a_process_used() -> None:
    code = "import hashlib, time; t = time.process_time\nwhile t() < 0.3: pass\nprint('up')\n"
    code += "import sys; sys.stdout.flush(); time.sleep(60)"
    busy = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        used = cpu_seconds(busy.pid)
        assert used is not None
        assert 0.28 <= used < 1.0
    finally:
        busy.kill()
        busy.communicate()


def test_a_process_that_is_gone_has_no_figure() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert cpu_seconds(gone.pid) is None


def test_cores_are_known_after_twenty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CpuMeter()
    for second in range(60):
        monkeypatch.setattr("streams.supervisor.cpu.cpu_seconds", lambda _, s=second: 1 + 1.5 * s)
        meter.look(float(second), os.getpid())
        assert (meter.cores is None) == (second < 20)
    assert meter.cores == pytest.approx(1.5)


@pytest.mark.parametrize("round_takes", [0.3, 1.1, 1.9, 4.7])
def test_cores_are_known_however_long_a_round_takes(
    monkeypatch: pytest.MonkeyPatch, round_takes: float
) -> None:
    """A window that fits no whole number of looks must not stay half empty for ever."""
    meter = CpuMeter()
    known: list[float | None] = []
    for round_ in range(round(90 / round_takes)):
        now = round_ * round_takes
        monkeypatch.setattr("streams.supervisor.cpu.cpu_seconds", lambda _, at=now: 1 + 1.5 * at)
        meter.look(now, os.getpid())
        known.append(meter.cores)
    after = round(26 / round_takes)
    assert known[after:] == pytest.approx([1.5] * len(known[after:]))


def test_it_costs_little_to_look_every_round() -> None:
    meter = CpuMeter()
    began = time.perf_counter()
    for round_ in range(1000):
        meter.look(round_ / 1000, os.getpid())
    assert time.perf_counter() - began < 0.05
