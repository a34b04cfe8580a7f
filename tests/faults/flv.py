"""FLV as bytes: reading tags, writing them, and sending them through RTMP in their own time."""

import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
VIDEO = 9


@dataclass(frozen=True)
class Tag:
    kind: int
    at: int  # milliseconds
    body: bytes

    def encode(self) -> bytes:
        time_field = (self.at & 0xFFFFFF).to_bytes(3, "big") + bytes([self.at >> 24])
        head = bytes([self.kind]) + len(self.body).to_bytes(3, "big") + time_field + bytes(3)
        return head + self.body + (len(head) + len(self.body)).to_bytes(4, "big")


def tags(data: bytes) -> Iterator[Tag]:
    place = len(HEADER)
    while place + 11 <= len(data):
        size = int.from_bytes(data[place + 1 : place + 4], "big")
        at = int.from_bytes(data[place + 4 : place + 7], "big") | data[place + 7] << 24
        yield Tag(data[place], at, data[place + 11 : place + 11 + size])
        place += 11 + size + 4


def joined(*files: Iterable[Tag]) -> Iterator[Tag]:
    """One after the other on one clock, each with its own headers, as an encoder sends them whose
    picture changes."""
    begin = 0
    for file in files:
        last = 0
        for tag in file:
            last = tag.at
            yield replace(tag, at=begin + tag.at)
        begin += last + 40


def record(source: Iterable[str], seconds: float, file: Path) -> list[Tag]:
    """What FFmpeg makes of a source in so many seconds, as tags."""
    subprocess.run(
        ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *source, "-t", str(seconds),
         "-f", "flv", str(file)],
        check=True, timeout=60,
    )  # fmt: skip
    return list(tags(file.read_bytes()))


class Feed:
    """Publishes tags as they are. FFmpeg only speaks RTMP: it takes FLV for bytes, unread."""

    def __init__(self, port: int, key: str, sent: Iterable[Tag]) -> None:
        self._url = f"rtmp://127.0.0.1:{port}/live/{key}"
        self._sent = sent
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def start(self) -> "Feed":
        self._process = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "data", "-i", "pipe:0",
             "-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", self._url],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._send, args=(self._process,), daemon=True)
        self._thread.start()
        return self

    def _send(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        began = time.monotonic()
        # It may be dropped or stopped at any time.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(HEADER)
            pipe.flush()
            for tag in self._sent:
                if self._over.wait(max(0.0, began + tag.at / 1000 - time.monotonic())):
                    return
                pipe.write(tag.encode())
                pipe.flush()

    @property
    def publishing(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ended(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        if self._process is not None and self._thread is not None:
            self._over.set()
            self._process.kill()
            self._process.wait(10)
            self._thread.join(10)
