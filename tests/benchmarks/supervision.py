"""What supervision costs: `python -m tests.benchmarks.supervision [--count 100] [--seconds 40]`.

One worker process drives the broadcasts, against the same number of the same encoders started by a
bare shell that only waits for them. The encoders are stand-ins that write progress, playlists and
segments as FFmpeg does; record and broker are real.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import tests.redis_server  # noqa: F401  # a broker of our own, before anybody reads the settings
from streams.supervisor.cpu import cpu_seconds
from tests.faults.rehearsal import Rehearsal

PATIENCE = 120.0


class Figures(NamedTuple):
    supervisor: float  # percent of a core
    encoders: float  # the same, of all of them
    memory: float  # the supervisor's, in MB, its share of what is shared

    @property
    def total(self) -> float:
        return self.supervisor + self.encoders


def memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def measure(supervisor: int, encoders: Sequence[int], seconds: float) -> Figures:
    pids = [supervisor, *encoders]
    began, before = time.monotonic(), [cpu_seconds(pid) or 0.0 for pid in pids]
    time.sleep(seconds)
    passed = time.monotonic() - began
    shares = [
        100 * ((cpu_seconds(pid) or 0.0) - used) / passed
        for pid, used in zip(pids, before, strict=True)
    ]
    return Figures(shares[0], sum(shares[1:]), memory(supervisor))


def until(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.5)


def supervised(var: Path, count: int, seconds: float) -> Figures:
    with Rehearsal(var, count).on_stage() as rehearsal, rehearsal.worker("one") as worker:
        rehearsal.publish()
        until(lambda: rehearsal.states() == {"live"}, f"{count} broadcasts live")
        encoders = [encoder.pid for encoder in rehearsal.encoders()]
        if len(encoders) != count:
            sys.exit(f"{len(encoders)} encoders for {count} broadcasts")
        return measure(worker.pid, encoders, seconds)


def bare(var: Path, count: int, seconds: float) -> Figures:
    """The same program with the same arguments, in the same places."""
    Rehearsal(var, 0)  # puts the stand-in where its PATH is
    script = f"""
        for number in $(seq {count}); do
            folder=$LIVESTREAM_HLS_ROOT/take/$number
            mkdir -p "$folder/180p"; cd "$folder"
            LIVESTREAM_RUN_ID=$number ffmpeg -progress "$folder/progress.txt" \\
                "$folder/180p/index.m3u8" & echo $!
        done
        echo started; wait"""
    environment = os.environ | {
        "PATH": f"{var}/bin:{os.environ['PATH']}",
        "LIVESTREAM_HLS_ROOT": str(var / "hls"),
    }
    shell = subprocess.Popen(
        ["sh", "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    )
    encoders: list[int] = []
    try:
        assert shell.stdout is not None
        encoders += [int(line) for line in iter(shell.stdout.readline, "started\n")]
        lists = f"take/{count}/180p/index.m3u8"
        until(lambda: (var / "hls" / lists).exists(), "a segment of each encoder")
        return measure(shell.pid, encoders, seconds)
    finally:
        for pid in [shell.pid, *encoders]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shell.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40)
    arguments = parser.parse_args()
    figures = {}
    for name, way in (("one worker process", supervised), ("a bare shell", bare)):
        with tempfile.TemporaryDirectory(prefix="livestream-") as folder:
            figures[name] = way(Path(folder), arguments.count, arguments.seconds)
    sys.stdout.write(f"{arguments.count} broadcasts, copied; {arguments.seconds:g} s\n")
    sys.stdout.write(f"{'':20} {'% of a core':>12} {'encoders, %':>12} {'MB (PSS)':>9}\n")
    for name, found in figures.items():
        sys.stdout.write(
            f"{name:20} {found.supervisor:12.1f} {found.encoders:12.1f} {found.memory:9.1f}\n"
        )
    ours, theirs = figures.values()
    sys.stdout.write(f"CPU of all together: {ours.total / theirs.total:.2f} x the bare shell's\n")


if __name__ == "__main__":
    main()
