"""The output of a run, as its supervisor watches it: cheap to look at again every second."""

import json
from dataclasses import dataclass
from pathlib import Path

from streams.origin import layout, segment_list
from streams.origin.disk import finished_at
from streams.origin.file_memory import FileMemory
from streams.origin.segment_list import Segment
from streams.origin.whole_segments import WholeSegments


@dataclass(frozen=True)
class Delivered:
    """`segments` that all renditions have finished; `newest_at` in epoch seconds, None before the
    first; `longest` in seconds, of those that are still listed; `gone`: the folder is not there."""

    segments: int
    newest_at: float | None
    longest: float
    gone: bool


class RunOutput:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = FileMemory()
        self._whole = WholeSegments()

    def look(self) -> Delivered:
        facts = self._files.read(self._folder / layout.RUN_FILE, json.loads)
        if facts is None:
            return Delivered(0, None, 0.0, gone=True)
        names = [entry["name"] for entry in facts["renditions"]]
        lists = [self._list(name) for name in names]
        count = min((segments[-1].number + 1 if segments else 0 for segments in lists), default=0)
        longest = max((segment.duration for found in lists for segment in found), default=0.0)
        newest_at = finished_at(self._folder, names, count - 1) if count else None
        return Delivered(count, newest_at, longest, gone=False)

    def _list(self, name: str) -> tuple[Segment, ...]:
        """The whole ones: what a full disk cuts short is no progress."""
        path = self._folder / name / layout.LIST_FILE
        found = self._files.read(path, lambda data: segment_list.parse(data.decode()))
        return self._whole.of(path.parent, found or ())
