"""What a playlist costs the origin: `python -m tests.benchmarks.playlist`.

Prints microseconds, and ratios to reading one of FFmpeg's own playlists from disk in the same run.
"""

import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

from streams.origin import master, playlist
from streams.origin.disk import Disk
from tests.streams.origin.conftest import BROADCAST, STREAM, Station

LADDER = ("1080p", "720p", "480p", "360p")
ROUNDS, REPEATS = 300, 7


def microseconds(action: Callable[[], object]) -> float:
    return min(timeit.repeat(action, number=ROUNDS, repeat=REPEATS)) / ROUNDS * 1e6


def media(disk: Disk) -> str | None:
    history = disk.history(STREAM, BROADCAST)
    assert history is not None
    disk.newest_segment_at(STREAM, history)
    return playlist.compose(history, "720p", disk.target_duration(STREAM, history))


def whole_master(disk: Disk) -> str:
    history = disk.history(STREAM, BROADCAST)
    assert history is not None
    disk.newest_segment_at(STREAM, history)
    return master.compose(BROADCAST, disk.variants(STREAM, history))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        station = Station(Path(folder) / "hls")
        station.open_run(*LADDER).write(10)
        newest = station.open_run(*LADDER).write(25)
        raw = newest.folder / "720p" / "index.m3u8"
        baseline = microseconds(raw.read_bytes)
        figures = {
            "read FFmpeg's playlist (baseline)": baseline,
            "media playlist, nothing changed": microseconds(lambda: media(station.disk)),
            "media playlist, nothing remembered": microseconds(lambda: media(Disk(station.root))),
            "master, nothing changed": microseconds(lambda: whole_master(station.disk)),
            "master, nothing remembered": microseconds(lambda: whole_master(Disk(station.root))),
        }
    for name, figure in figures.items():
        sys.stdout.write(f"{name:36} {figure:8.0f} µs {figure / baseline:7.1f} x\n")


if __name__ == "__main__":
    main()
