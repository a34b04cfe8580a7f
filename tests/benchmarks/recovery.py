"""Recovery from a kill: `python -m tests.benchmarks.recovery [--kills 8]`.

Starts the whole product, publishes a picture with a key frame every 2 s, and kills FFmpeg at
moments spread over the distance of two key frames: seconds until a segment of the next run is in
the public playlist. The baseline in the same run is what most do: a shell that starts the same
FFmpeg again when it ends. What nobody can win is printed as well: the wait for a key frame to begin
with, and the length of one segment. Then the worker is killed: seconds from the begin of the next
one to the adoption, in which viewers lose nothing.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.encoders import Watch
from tests.acceptance.stack import Stack, until
from tests.faults.channel import SEGMENT, Channel
from tests.faults.conftest import Stage
from tests.faults.ledger import Ledger
from tests.faults.test_worker import age_of, driven_anew, holder

PATIENCE = 60.0


class Loop:
    """`while true; do ffmpeg …; done`, and its newest finished segment."""

    def __init__(self, source: str, folder: Path) -> None:
        self._folder = folder
        command = (
            f"while true; do ffmpeg -nostdin -v quiet -i {source} -c copy -f hls -hls_time 2"
            f" -hls_list_size 0 -hls_flags append_list {folder}/index.m3u8 & echo $!; wait; done"
        )
        self._shell = subprocess.Popen(
            ["sh", "-c", command], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._pid = self._next()

    def _next(self) -> int:
        assert self._shell.stdout is not None
        return int(self._shell.stdout.readline())

    def segments(self) -> int:
        file = self._folder / "index.m3u8"
        return file.read_text().count("#EXTINF") if file.exists() else 0

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._pid = self._next()

    def stop(self) -> None:
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()


def key_frame_of(channel: Channel) -> float:
    """The epoch second at which the newest public segment of the channel began, its key frame."""
    newest = channel.playlist().segments[-1]
    assert newest.at is not None
    return newest.at.timestamp()


def at_phase(channel: Channel, phase: float) -> None:
    """Return so many seconds after a key frame was published."""
    begun = key_frame_of(channel)
    until(lambda: (time.time() - begun) % SEGMENT < 0.1, 3, "a key frame")
    due = time.time() + phase
    until_exactly(lambda: time.time() >= due)


def until_exactly(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            sys.exit(f"nothing came within {PATIENCE:g} s")
        time.sleep(0.005)


def product(channel: Channel) -> float:
    before, began = channel.encoder(), time.monotonic()
    os.kill(before.pid, signal.SIGKILL)
    until_exactly(lambda: channel._shows_other_than(before))
    return time.monotonic() - began


def shell(loop: Loop) -> float:
    before, began = loop.segments(), time.monotonic()
    loop.kill()
    until_exactly(lambda: loop.segments() > before)
    return time.monotonic() - began


def adoption(channel: Channel) -> float:
    lease = holder(channel)
    os.kill(channel.stack.pids()["worker"], signal.SIGKILL)
    until(lambda: driven_anew(channel, lease), 60, "a new driver")
    return age_of(int(holder(channel).split(":")[2]))


def line(name: str, took: list[float]) -> str:
    return f"{name:34} {min(took):6.2f} {statistics.median(took):7.2f} {max(took):6.2f}\n"


def kill_both(stage: Stage, phase: float) -> tuple[float, float]:
    """A stream each time: the back-off of one that was killed a moment ago is not what is asked."""
    channel = stage.channel(grace_seconds=1).begin()
    source = f"rtmp://127.0.0.1:{stage.stack.rtmp}/live/{channel.row['ingest_name']}"
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(source, Path(folder))
        try:
            channel.await_segments(2)
            at_phase(channel, phase)
            ours = product(channel)
            at_phase(channel, phase)
            theirs = shell(loop)
        finally:
            loop.stop()
    channel.end()
    return ours, theirs


def measure(kills: int, stage: Stage) -> str:
    pairs = [kill_both(stage, SEGMENT * number / kills) for number in range(kills)]
    ours, theirs = [list(times) for times in zip(*pairs, strict=True)]
    channel = stage.channel().begin()
    workers = [adoption(channel) for _ in range(3)]
    assert stage.watch.doubles == {}
    ratio = statistics.median(ours) / statistics.median(theirs)
    return (
        f"{f'{kills} kills over {SEGMENT:g} s':34} {'min':>6} {'median':>7} {'max':>6}\n"
        + line("FFmpeg killed: next public segment", ours)
        + line("a shell loop (baseline)", theirs)
        + f"{ratio:.2f} x the shell's; the goal is {2 * SEGMENT:g} s, two segments\n"
        + line("worker killed: adopted after start", workers)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=8)
    kills = parser.parse_args().kills
    stack = Stack()
    try:
        stack.setup()
        watch = Watch(stack.hls).start()
        stage = Stage(stack, watch, Ledger())
        found = measure(kills, stage)
        stage.clear()
        watch.stop()
    finally:
        stack.stop()
        stack.remove()
    sys.stdout.write(found)


if __name__ == "__main__":
    main()
