"""HEVC over RTMP, as OBS sends it ("enhanced RTMP"), which Debian's FFmpeg cannot."""

import re
import subprocess
from collections.abc import Iterator

from tests.faults.flv import VIDEO, Tag

VPS, SPS, PPS = 32, 33, 34
KEY_FRAMES = range(16, 22)
SEQUENCE_START, FRAMES_WITHOUT_OFFSET = 0, 3


def encode(seconds: float, rate: int = 25) -> list[Tag]:
    """A moving picture of so many seconds."""
    stream = subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi",
         "-i", f"testsrc2=size=640x360:rate={rate}", "-t", str(seconds), "-pix_fmt", "yuv420p",
         "-c:v", "libx265", "-preset", "ultrafast",
         "-x265-params", f"log-level=error:keyint={rate}:bframes=0:slices=1", "-f", "hevc", "-"],
        check=True, capture_output=True, timeout=60,
    ).stdout  # fmt: skip
    return list(_tags(_units(stream), 1000 / rate))


def _units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B stream."""
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", stream)[1:]]


def _tags(units: list[bytes], frame_ms: float) -> Iterator[Tag]:
    sets: dict[int, bytes] = {}
    frames = 0
    for unit in units:
        kind = unit[0] >> 1 & 0x3F
        if kind in (VPS, SPS, PPS):
            sets[kind] = unit
        elif kind < VPS:
            if not frames:
                yield Tag(VIDEO, 0, _head(SEQUENCE_START, True) + _configuration(sets))
            sized = len(unit).to_bytes(4, "big") + unit
            key = kind in KEY_FRAMES
            yield Tag(VIDEO, int(frames * frame_ms), _head(FRAMES_WITHOUT_OFFSET, key) + sized)
            frames += 1


def _head(packet: int, key: bool) -> bytes:
    return bytes([0x80 | (1 if key else 2) << 4 | packet]) + b"hvc1"


def _configuration(sets: dict[int, bytes]) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15): general profile from the SPS, 4:2:0."""
    general = sets[SPS][3:15].replace(b"\0\0\3", b"\0\0")
    fixed = bytes.fromhex("f000fcfdf8f800000f")
    arrays = b"".join(
        bytes([0x80 | kind, 0, 1]) + len(unit).to_bytes(2, "big") + unit
        for kind, unit in sets.items()
    )
    return b"\1" + general[:12].ljust(12, b"\0") + fixed + bytes([len(sets)]) + arrays
