"""The shapes of names below HLS_ROOT and in its URLs; whatever has another shape does not exist."""

import re

STREAM = r"[a-z0-9][a-z0-9_-]{0,62}"
BROADCAST = r"[0-9a-f]{32}"
RUN = r"[0-9]{4,6}-[0-9a-f]{8}"
RENDITION = r"(?:[1-9][0-9]{0,4}p|audio)"
SEGMENT = r"[0-9]{6,9}\.m4s"

BROADCAST_FILE = "broadcast.json"
RUN_FILE = "run.json"
LIST_FILE = "index.m3u8"
INIT_FILE = "init.mp4"
THUMBNAIL_FILE = "thumb.jpg"
# Of a broadcast: every EXT-X-TARGETDURATION that was told, one a line.
TARGETS_FILE = "targets.txt"


def is_broadcast(name: str) -> bool:
    return re.fullmatch(BROADCAST, name) is not None


def is_run(name: str) -> bool:
    return re.fullmatch(RUN, name) is not None


def is_segment(name: str) -> bool:
    return re.fullmatch(SEGMENT, name) is not None


def is_stream(name: str) -> bool:
    return re.fullmatch(STREAM, name) is not None


def run_number(folder: str) -> int:
    return int(folder.partition("-")[0])


def segment_file(number: int) -> str:
    return f"{number:06d}.m4s"


def lines(rendition: str) -> int:
    """How many lines of picture a rendition's name promises; 0 for sound alone."""
    return 0 if rendition == "audio" else int(rendition.removesuffix("p"))
