"""Segment files: whether one is whole. A full disk cuts them short, and FFmpeg 5.1 neither says so
nor stops: it lists them like all others, down to empty ones, and its list becomes empty as well."""

import os
import struct
from pathlib import Path

from streams.origin import layout, segment_list


def is_whole(path: Path) -> bool:
    """Whether its MP4 boxes reach just to its end."""
    try:
        with path.open("rb", buffering=0) as file:
            size, offset = os.fstat(file.fileno()).st_size, 0
            while offset + 8 <= size:
                (length,) = struct.unpack(">I", os.pread(file.fileno(), 4, offset))
                if length == 0:  # the last box may say "to the end"
                    return True
                if length == 1:
                    (length,) = struct.unpack(">Q", os.pread(file.fileno(), 8, offset + 8))
                offset += max(length, 8)
            return offset == size > 0
    except (OSError, struct.error):
        return False


def finished(rendition: Path) -> int:
    """How many segments FFmpeg has finished, not counting broken ones at the end; never fewer than
    have ever been listed."""
    try:
        listed = segment_list.parse((rendition / layout.LIST_FILE).read_text())
    except (OSError, ValueError):
        return 0
    for number in [segment.number for segment in reversed(listed)] or _on_disk(rendition):
        if is_whole(rendition / layout.segment_file(number)):
            return number + 1
    return listed[0].number if listed else 0


def _on_disk(rendition: Path) -> list[int]:
    names = (name for name in os.listdir(rendition) if layout.is_segment(name))
    return sorted((int(name.removesuffix(".m4s")) for name in names), reverse=True)
