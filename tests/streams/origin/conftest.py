"""A writer that fills run folders as FFmpeg does, and a client that asks the origin."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.types import ASGIApp, Message

from streams.ladder.renditions import Rendition
from streams.origin import run_folder
from streams.origin.disk import Disk

STREAM = "garden"
BROADCAST = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIST_SIZE = 30


def rendition(name: str) -> Rendition:
    height = 0 if name == "audio" else int(name[:-1])
    return Rendition(
        name=name,
        width=height * 16 // 9,
        height=height,
        fps=30.0 if height else None,
        video="x264" if height else None,
        video_bitrate=height * 2000 or None,
        audio="copy",
        audio_bitrate=None,
        max_fps=None,
        bandwidth=height * 2000 + 128_000,
    )


@dataclass
class Writer:
    """One FFmpeg: segments of two seconds, a sliding list, old files deleted."""

    folder: Path
    names: tuple[str, ...]
    start: datetime
    written: dict[str, list[float]] = field(default_factory=dict)

    def write(self, count: int = 1, only: str | None = None, duration: float = 2.0) -> "Writer":
        for name in (only,) if only else self.names:
            for _ in range(count):
                self._segment(name, duration)
        return self

    def _segment(self, name: str, duration: float) -> None:
        folder = self.folder / name
        durations = self.written.setdefault(name, [])
        (folder / "init.mp4").write_bytes(b"")
        (folder / f"{len(durations):06d}.m4s").write_bytes(bytes(1000))
        durations.append(duration)
        oldest = max(0, len(durations) - LIST_SIZE)
        (folder / f"{oldest - 6:06d}.m4s").unlink(missing_ok=True)
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-MEDIA-SEQUENCE:{oldest}"]
        # Each rendition's clock starts some milliseconds later, as FFmpeg's do.
        at = self.start + timedelta(milliseconds=7 * self.names.index(name))
        at += timedelta(seconds=sum(durations[:oldest]))
        for number in range(oldest, len(durations)):
            lines.append(f"#EXTINF:{durations[number]:.6f},")
            lines.append(
                f"#EXT-X-PROGRAM-DATE-TIME:{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"
            )
            lines.append(f"{number:06d}.m4s")
            at += timedelta(seconds=durations[number])
        new = folder / "index.m3u8.tmp"
        new.write_text("\n".join(lines) + "\n")
        new.replace(folder / "index.m3u8")


class Station:
    """One broadcast on a disk of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.disk = Disk(root)
        self.runs = 0
        self.folder = run_folder.open_broadcast(root, STREAM, BROADCAST, NOON, 30)

    def open_run(self, *names: str, fence: int = 0) -> Writer:
        self.runs += 1
        opened = run_folder.open_run(
            self.root,
            STREAM,
            BROADCAST,
            f"{self.runs:032x}"[::-1],
            self.runs,
            [rendition(name) for name in names],
            2,
            fence=fence,
        )
        return Writer(opened.folder, names, NOON + timedelta(minutes=10 * self.runs))

    def end(self) -> None:
        run_folder.end_broadcast(self.root, STREAM, BROADCAST, NOON + timedelta(hours=1))


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "hls")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    app: ASGIApp, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> Answer:
    """One request, its path decoded as servers do it."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
    }
    messages: list[Message] = []
    requested: list[Message] = []

    async def receive() -> Message:
        # The client stays connected: there is no second message.
        if requested:
            await asyncio.Event().wait()
        requested.append({"type": "http.request", "body": b"", "more_body": False})
        return requested[0]

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    pairs = [(k.decode(), v.decode()) for k, v in messages[0]["headers"]]
    assert len(pairs) == len(dict(pairs)), f"a header is doubled: {pairs}"
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(messages[0]["status"], dict(pairs), body)
