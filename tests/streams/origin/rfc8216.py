"""The rules of RFC 8216 that successive versions of a media playlist must keep."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    uri: str
    init: str
    duration: float
    at: str
    discontinuity: int


@dataclass(frozen=True)
class Playlist:
    target: int
    sequence: int
    discontinuity_sequence: int
    entries: tuple[Entry, ...]
    tags: tuple[int, ...]
    ended: bool

    def numbered(self) -> dict[int, Entry]:
        return dict(enumerate(self.entries, self.sequence))


def parse(text: str) -> Playlist:
    """Also checks the form of one playlist by itself."""
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXT-X-VERSION:7" in lines
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in lines
    values = dict(line.partition(":")[::2] for line in lines if line.startswith("#EXT-X-"))
    entries: list[Entry] = []
    tags: list[int] = []
    init = at = ""
    duration = 0.0
    discontinuity = int(values["#EXT-X-DISCONTINUITY-SEQUENCE"])
    for line in lines:
        name, _, value = line.partition(":")
        if name == "#EXT-X-DISCONTINUITY":
            discontinuity += 1
            tags.append(int(values["#EXT-X-MEDIA-SEQUENCE"]) + len(entries))
        elif name == "#EXT-X-MAP":
            init = value
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            at = value
        elif name == "#EXTINF":
            duration = float(value.rstrip(","))
        elif not line.startswith("#"):
            entries.append(Entry(line, init, duration, at, discontinuity))
    playlist = Playlist(
        target=int(values["#EXT-X-TARGETDURATION"]),
        sequence=int(values["#EXT-X-MEDIA-SEQUENCE"]),
        discontinuity_sequence=int(values["#EXT-X-DISCONTINUITY-SEQUENCE"]),
        entries=tuple(entries),
        tags=tuple(tags),
        ended=lines[-1] == "#EXT-X-ENDLIST",
    )
    assert playlist.entries
    assert len({entry.uri for entry in entries}) == len(entries)
    for entry in entries:
        # 4.3.3.1: each duration, rounded to the nearest integer, is at most the target.
        assert int(entry.duration + 0.5) <= playlist.target
        # A segment can be decoded with the init segment of its own run and rendition.
        assert entry.init == f'URI="{entry.uri.rpartition("/")[0]}/init.mp4"'
    return playlist


def check_update(before: Playlist, after: Playlist) -> None:
    """6.2.1 and 6.2.2: what a server may change from one version to the next."""
    assert not before.ended or before == after
    assert after.target >= before.target
    assert after.sequence >= before.sequence
    assert after.sequence + len(after.entries) >= before.sequence + len(before.entries)
    old, new = before.numbered(), after.numbered()
    for number in old.keys() & new.keys():
        assert old[number] == new[number], number
    removed = [number for number in before.tags if number < after.sequence]
    skipped = after.sequence > before.sequence + len(before.entries)
    if not skipped:
        expected = before.discontinuity_sequence + len(removed)
        assert after.discontinuity_sequence == expected


def check_agreement(one: Playlist, other: Playlist) -> None:
    """Renditions show the same segments at the same times (6.2.4)."""
    assert one.sequence == other.sequence
    assert one.discontinuity_sequence == other.discontinuity_sequence
    assert one.tags == other.tags
    assert one.target == other.target
    assert [entry.at for entry in one.entries] == [entry.at for entry in other.entries]
