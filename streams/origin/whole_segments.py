"""Whole segments: what of FFmpeg's lists may be shown. It remembers, to look at each file once."""

from pathlib import Path

from streams.origin import layout, segment_file
from streams.origin.file_memory import MOST
from streams.origin.segment_list import Segment


class WholeSegments:
    def __init__(self) -> None:
        self._shown: dict[Path, tuple[Segment, ...]] = {}

    def of(self, rendition: Path, listed: tuple[Segment, ...]) -> tuple[Segment, ...]:
        """Without broken segments at the end, and without those before broken ones in the middle:
        numbers are consecutive."""
        before = self._shown.pop(rendition, ())
        if before and (not listed or listed[-1].number < before[-1].number):
            shown = before  # a list cut short by a full disk
        else:
            shown = tuple(_whole(rendition, listed, {segment.number for segment in before}))
        self._shown[rendition] = shown
        if len(self._shown) > MOST:
            del self._shown[next(iter(self._shown))]
        return shown


def _whole(rendition: Path, listed: tuple[Segment, ...], known: set[int]) -> list[Segment]:
    shown: list[Segment] = []
    gap = False
    for segment in listed:
        path = rendition / layout.segment_file(segment.number)
        if segment.number not in known and not segment_file.is_whole(path):
            gap = True
            continue
        if gap:
            shown, gap = [], False
        shown.append(segment)
    return shown
