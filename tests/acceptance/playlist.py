"""Playlists as a player reads them (RFC 8216), as far as the tests look."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urljoin

from tests.answer import Answer


class Server(Protocol):
    """Whatever answers a GET of a path."""

    def get(self, path: str) -> Answer: ...


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
    duration: float = 0.0
    at: datetime | None = None  # EXT-X-PROGRAM-DATE-TIME

    @property
    def run(self) -> str:
        """The folder of the run it is from."""
        return self.path.rsplit("/", 3)[1]


@dataclass(frozen=True)
class Media:
    """A media playlist."""

    sequence: int
    discontinuity_sequence: int
    segments: list[Segment]
    ended: bool
    target: int = 2  # EXT-X-TARGETDURATION

    @property
    def newest(self) -> int:
        """The media sequence number of the last segment; one less than the first when none."""
        return self.sequence + len(self.segments) - 1

    def segment(self, number: int) -> Segment:
        return self.segments[number - self.sequence]


def variants(server: Server, name: str) -> list[Variant]:
    """The renditions of a stream, best first; empty while it has no master playlist."""
    path = f"/hls/{name}/master.m3u8"
    answer = server.get(path)
    if answer.status != 200:
        return []
    return read_master(answer.text, path)


def read_master(text: str, path: str) -> list[Variant]:
    found = re.findall(r"^#EXT-X-STREAM-INF:(.*)\n(\S+)$", text, re.M)
    return [Variant(_attributes(line), urljoin(path, uri)) for line, uri in found]


def media(server: Server, path: str) -> Media:
    answer = server.get(path)
    assert answer.status == 200, f"{path}: {answer.status} {answer.text[:200]}"
    return read_media(answer.text, path)


def read_media(text: str, path: str) -> Media:
    sequence = _number(text, "MEDIA-SEQUENCE")
    segments: list[Segment] = []
    init, discontinuity = "", False
    duration, at = 0.0, None
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-MAP":
            init = urljoin(path, _attributes(value)["URI"])
        elif tag == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            at = datetime.fromisoformat(value)
        elif tag == "#EXTINF":
            duration = float(value.partition(",")[0])
        elif line and not line.startswith("#"):
            where = sequence + len(segments), urljoin(path, line), init
            segments.append(Segment(*where, discontinuity, duration, at))
            discontinuity, at = False, None
    return Media(
        sequence,
        _number(text, "DISCONTINUITY-SEQUENCE"),
        segments,
        ended="#EXT-X-ENDLIST" in text,
        target=_number(text, "TARGETDURATION"),
    )


def _number(text: str, tag: str) -> int:
    match = re.search(rf"^#EXT-X-{tag}:(\d+)$", text, re.M)
    return int(match[1]) if match else 0


def _attributes(text: str) -> dict[str, str]:
    pairs = re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    return {name: value.strip('"') for name, value in pairs}
