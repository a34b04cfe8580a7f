"""From publish to the first playable playlist: `python -m tests.benchmarks.first_playlist`.

Starts the whole product and publishes 720p at 30 fps to new streams, twice to each: with a key
frame every 2 s and, as OBS does unless told, every 250 frames. Prints seconds since the publish
hook was asked. The baseline is what most do, in the same run: a bare FFmpeg that copies into HLS
segments of 2 s, started once the publisher is let in. One segment, 2 s, is the least there can be.
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streams.ladder.stat import parse, played
from tests.acceptance.playlist import media, variants
from tests.acceptance.publisher import AAC, SOUND, Publisher, h264, moving
from tests.acceptance.stack import Stack, until

RATE = 30
GOPS = {"2s": 60, "obs": 250}
EVERY = 0.02
PATIENCE = 60.0
# Until the distance between the key frames is known, for the second time.
ON_AIR = 12.0


class Watched:
    """One publish to one stream, and what can be seen of it from outside."""

    def __init__(self, stack: Stack, name: str, folder: Path) -> None:
        self._stack = stack
        self._name = name
        self._list = folder / "index.m3u8"
        self._bare: subprocess.Popen[bytes] | None = None
        self._runs_before = self._runs()

    def moments(self) -> dict[str, Callable[[], bool]]:
        return {
            "FFmpeg connected": lambda: self._in(played(self._stat())) != "",
            "hook answered": self._let_in,
            "first picture": lambda: any(p.active for p in parse(self._stat()).values()),
            "first segment": lambda: any(self._segments()),
            "every rendition": lambda: all(self._segments() or [False]),
            "playable": self._playable,
            "bare FFmpeg (baseline)": self._list.exists,
        }

    def _stat(self) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self._stack.var}/run/ingest.sock")
            connection.sendall(b"GET /stat HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return answer.partition(b"\r\n\r\n")[2]

    def _in(self, names: frozenset[str]) -> str:
        return next((name for name in names if name.startswith(f"{self._name}-")), "")

    def _let_in(self) -> bool:
        internal = self._in(frozenset(parse(self._stat())))
        if internal:
            self._bare = subprocess.Popen(
                ["ffmpeg", "-nostdin", "-v", "quiet", "-i",
                 f"rtmp://127.0.0.1:{self._stack.rtmp}/live/{internal}", "-c", "copy",
                 "-f", "hls", "-hls_time", "2", str(self._list)],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return bool(internal)

    def _runs(self) -> set[Path]:
        return set((self._stack.var / "hls" / self._name).glob("*/*/run.json"))

    def _segments(self) -> list[bool]:
        """Of each rendition of the newest run whether it has one."""
        new = sorted(self._runs() - self._runs_before)
        folders = [path for path in new[-1].parent.iterdir() if path.is_dir()] if new else []
        return [(folder / "index.m3u8").exists() for folder in folders]

    def _playable(self) -> bool:
        if not any(self._segments()):
            return False  # asking is not free
        found = variants(self._stack, self._name)
        return bool(found) and all(media(self._stack, v.path).segments for v in found)

    def close(self) -> None:
        if self._bare is not None:
            self._bare.terminate()
            self._bare.wait(10)


def seen(moments: dict[str, Callable[[], bool]]) -> dict[str, float]:
    """When each moment was first seen, in epoch seconds."""
    times: dict[str, float] = {}
    deadline = time.monotonic() + PATIENCE
    while len(times) < len(moments) and time.monotonic() < deadline:
        waiting = [name for name in moments if name not in times]
        # In their order, but for the last three, so that looking takes no time from what is seen.
        for name in waiting if len(waiting) <= 3 else waiting[:1]:
            if moments[name]():
                times[name] = time.time()
        time.sleep(EVERY)
    return times


def measure(stack: Stack, name: str, key: str, gop: int) -> dict[str, float]:
    """Seconds from the publish hook's question to each moment."""
    with tempfile.TemporaryDirectory() as folder:
        watched = Watched(stack, name, Path(folder))
        picture = (*moving("1280x720", RATE), *SOUND, *h264(gop), *AAC)
        publisher = Publisher(stack.rtmp, key, source=picture)
        with publisher, contextlib.closing(watched):
            times = seen(watched.moments())
            time.sleep(ON_AIR)
    asked = stack.shell(
        "from streams.models import Broadcast\n"
        f"newest = Broadcast.objects.filter(stream__name={name!r}).latest('started_at')\n"
        "print(newest.ingest_since.timestamp())"
    )
    return {moment: at - float(asked) for moment, at in times.items()}


def results(stack: Stack) -> Iterator[tuple[str, dict[str, float]]]:
    for name, gop in GOPS.items():
        key = stack.add_stream(name, grace=1)
        for time_ in ("first", "second"):
            yield f"{gop / RATE:.1f} s, {time_} time", measure(stack, name, key, gop)
            until(
                lambda name=name: stack.get(f"/hls/{name}/master.m3u8").status == 404, 30, "its end"
            )


def main() -> None:
    stack = Stack()
    try:
        stack.setup()
        for title, moments in results(stack):
            sys.stdout.write(f"Key frames every {title}\n")
            for moment, seconds in moments.items():
                sys.stdout.write(f"    {moment:24} {seconds:6.2f} s\n")
            sys.stdout.flush()
    finally:
        stack.stop()
        stack.remove()


if __name__ == "__main__":
    main()
