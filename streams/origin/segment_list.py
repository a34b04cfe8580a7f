"""Segment lists: what FFmpeg's own playlist of one rendition in one run says is finished."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

NUMBER = re.compile(r"(\d+)\.m4s")


@dataclass(frozen=True, slots=True)
class Segment:
    """`duration` in seconds; `at` is the wall-clock time of its first frame as playlists write it
    (ISO 8601, UTC, milliseconds), empty when unknown."""

    number: int
    duration: float
    at: str


def parse(text: str) -> tuple[Segment, ...]:
    """The finished segments, oldest first. Numbers are consecutive, as FFmpeg counts them."""
    segments: list[Segment] = []
    duration, at = 0.0, ""
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            duration = float(line[8:].partition(",")[0])
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            at = _utc(line[25:])
        elif match := NUMBER.fullmatch(line):
            segments.append(Segment(int(match[1]), duration, at))
    # An FFmpeg that was stopped before anything came lists one segment with nothing in it.
    while segments and segments[-1].duration == 0:
        segments.pop()
    return tuple(segments)


def _utc(text: str) -> str:
    """FFmpeg writes local time with an offset that has no colon."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
