"""Playlists as a player reads them (RFC 8216), as far as the tests look."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from tests.acceptance.stack import Stack


@dataclass(frozen=True)
class Variant:
    """One EXT-X-STREAM-INF of a master playlist."""

    attributes: dict[str, str]
    path: str

    @property
    def height(self) -> int:
        return int(self.attributes["RESOLUTION"].partition("x")[2])


@dataclass(frozen=True)
class Segment:
    number: int  # its media sequence number
    path: str
    init: str
    discontinuity: bool


@dataclass(frozen=True)
class Media:
    """A media playlist."""

    sequence: int
    discontinuity_sequence: int
    segments: list[Segment]
    ended: bool

    @property
    def newest(self) -> int:
        """The media sequence number of the last segment; one less than the first when none."""
        return self.sequence + len(self.segments) - 1

    def segment(self, number: int) -> Segment:
        return self.segments[number - self.sequence]


def variants(stack: Stack, name: str) -> list[Variant]:
    """The renditions of a stream, best first; empty while it has no master playlist."""
    path = f"/hls/{name}/master.m3u8"
    answer = stack.get(path)
    if answer.status != 200:
        return []
    found = re.findall(r"^#EXT-X-STREAM-INF:(.*)\n(\S+)$", answer.text, re.M)
    return [Variant(_attributes(line), urljoin(path, uri)) for line, uri in found]


def media(stack: Stack, path: str) -> Media:
    answer = stack.get(path)
    assert answer.status == 200, f"{path}: {answer.status} {answer.text[:200]}"
    sequence = _number(answer.text, "MEDIA-SEQUENCE")
    segments: list[Segment] = []
    init, discontinuity = "", False
    for line in answer.text.splitlines():
        if line.startswith("#EXT-X-MAP:"):
            init = urljoin(path, _attributes(line.partition(":")[2])["URI"])
        elif line == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif line and not line.startswith("#"):
            number = sequence + len(segments)
            segments.append(Segment(number, urljoin(path, line), init, discontinuity))
            discontinuity = False
    ended = "#EXT-X-ENDLIST" in answer.text
    return Media(sequence, _number(answer.text, "DISCONTINUITY-SEQUENCE"), segments, ended)


def _number(text: str, tag: str) -> int:
    match = re.search(rf"^#EXT-X-{tag}:(\d+)$", text, re.M)
    return int(match[1]) if match else 0


def _attributes(text: str) -> dict[str, str]:
    pairs = re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    return {name: value.strip('"') for name, value in pairs}
