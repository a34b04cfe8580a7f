"""Two origins: `python -m tests.benchmarks.two_origins`.

A courier delivers a segment of three renditions each second to two stores (our nginx). How far
apart are their playlists; and what does one show that comes back after it was away for 45 s?
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.origin.playlist import WINDOW
from tests.streams.origin.conftest import BROADCAST, STREAM, Station
from tests.streams.origin.far import FarStore
from tests.streams.origin.test_courier import courier

FULL, WATCHED, AWAY = WINDOW + 5, 30, 45  # seconds


def shown(far: FarStore) -> tuple[int, int]:
    """MEDIA-SEQUENCE, and the number behind the newest segment."""
    history = far.disk.history(STREAM, BROADCAST)
    spans = history.window(WINDOW) if history is not None else ()
    return (spans[0].sequence, spans[-1].end) if spans else (0, 0)


@contextmanager
def writing(station: Station) -> Iterator[None]:
    run, stop = station.open_run("720p", "480p", "360p"), threading.Event()

    def write() -> None:
        while not stop.wait(1.0):
            run.write()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def apart(one: FarStore, other: FarStore) -> tuple[float, float, int]:
    """The share of looks at which they differ, for how long at most, by how many segments."""
    looks, different, longest, most, since = 0, 0, 0.0, 0, 0.0
    end = time.monotonic() + WATCHED
    while (now := time.monotonic()) < end:
        looks += 1
        distance = abs(shown(one)[1] - shown(other)[1])
        since = (since or now) if distance else 0.0
        different += bool(distance)
        longest, most = max(longest, now - since if since else 0.0), max(most, distance)
        time.sleep(0.02)
    return different / looks, longest, most


def main() -> None:
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder:
        one, other = FarStore(Path(folder, "one")), FarStore(Path(folder, "other"))
        other.share_secret(one)
        one.start()
        other.start()
        here = Path(folder, "here")
        (here / "run").mkdir(parents=True)
        try:
            with courier(here, one, other), writing(Station(here / "hls")):
                time.sleep(FULL)
                share, longest, most = apart(one, other)
                say(f"both there: {share:.0%} of looks differ, by {most}, for {longest:.2f} s\n")
                one.stop()
                time.sleep(AWAY)
                say(f"one is away: it would show {shown(one)}, the other shows {shown(other)}\n")
                one.start()
                began = time.monotonic()
                while shown(one)[1] < shown(other)[1]:
                    time.sleep(0.01)
                took = time.monotonic() - began
                say(f"{took:.2f} s after its return: {shown(one)}, the other {shown(other)}\n")
                time.sleep(WINDOW - 10)
                say(f"{WINDOW - 10} s later: {shown(one)}, the other {shown(other)}\n")
        finally:
            one.stop()
            other.stop()


if __name__ == "__main__":
    main()
