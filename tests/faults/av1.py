"""AV1 over RTMP, as OBS sends it ("enhanced RTMP"), which Debian's FFmpeg cannot."""

import subprocess
from collections.abc import Iterator

from tests.faults.flv import VIDEO, Tag

IVF_HEADER, IVF_FRAME_HEADER = 32, 12  # bytes
SEQUENCE_START, FRAMES = 0, 1
# AV1CodecConfigurationRecord: version 1, main profile, 4:2:0; the sequence header is in the frames.
CONFIGURATION = bytes([0x81, 0x04, 0x0C, 0x00])


def encode(seconds: float, rate: int = 25) -> list[Tag]:
    """A moving picture of so many seconds."""
    stream = subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi",
         "-i", f"testsrc2=size=320x180:rate={rate}", "-t", str(seconds), "-pix_fmt", "yuv420p",
         "-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", str(rate),
         "-f", "ivf", "-"],
        check=True, capture_output=True, timeout=120,
    ).stdout  # fmt: skip
    return list(_tags(stream, 1000 / rate, rate))


def _tags(stream: bytes, frame_ms: float, group: int) -> Iterator[Tag]:
    yield Tag(VIDEO, 0, _head(SEQUENCE_START, True) + CONFIGURATION)
    place, frames = IVF_HEADER, 0
    while place < len(stream):
        size = int.from_bytes(stream[place : place + 4], "little")
        place += IVF_FRAME_HEADER
        head = _head(FRAMES, frames % group == 0)
        yield Tag(VIDEO, int(frames * frame_ms), head + stream[place : place + size])
        place, frames = place + size, frames + 1


def _head(packet: int, key: bool) -> bytes:
    return bytes([0x80 | (1 if key else 2) << 4 | packet]) + b"av01"
