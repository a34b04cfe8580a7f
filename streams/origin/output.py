"""The output of a run, as its supervisor watches it: cheap to look at again every second."""

import json
import time
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
    first; `age` of the newest and `longest` of those still listed in seconds; `gone`: the folder
    is not there."""

    segments: int
    newest_at: float | None
    age: float | None
    longest: float
    gone: bool


class RunOutput:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = FileMemory()
        self._whole = WholeSegments()
        self._newest = 0
        self._newest_since = 0.0  # monotonic: somebody may set the wall clock

    def look(self) -> Delivered:
        facts = self._files.read(self._folder / layout.RUN_FILE, json.loads)
        if facts is None:
            return Delivered(0, None, None, 0.0, gone=True)
        names = [entry["name"] for entry in facts["renditions"]]
        lists = [self._list(name) for name in names]
        count = min((segments[-1].number + 1 if segments else 0 for segments in lists), default=0)
        longest = max((segment.duration for found in lists for segment in found), default=0.0)
        newest_at = finished_at(self._folder, names, count - 1) if count else None
        return Delivered(count, newest_at, self._age(count, newest_at), longest, gone=False)

    def _age(self, count: int, newest_at: float | None) -> float | None:
        now = time.monotonic()
        if newest_at is None:
            return None
        if count != self._newest:
            # One that was there before the first look is as old as its file.
            before = 0.0 if self._newest else max(0.0, time.time() - newest_at)
            self._newest, self._newest_since = count, now - before
        return now - self._newest_since

    def _list(self, name: str) -> tuple[Segment, ...]:
        """The whole ones: what a full disk cuts short is no progress."""
        path = self._folder / name / layout.LIST_FILE
        found = self._files.read(path, lambda data: segment_list.parse(data.decode()))
        return self._whole.of(path.parent, found or ())
