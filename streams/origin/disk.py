"""The disk: reads run folders into histories, and remembers what has not changed since."""

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from streams.origin import fence, floor, init_segment, layout, master, segment_list
from streams.origin.file_memory import MOST, FileMemory
from streams.origin.history import History, Rendition, Run, Span
from streams.origin.playlist import WINDOW
from streams.origin.segment_list import Segment
from streams.origin.whole_segments import WholeSegments


class Disk:
    """Everything the origin knows. It writes only which target durations were told."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._files = FileMemory()
        self._whole = WholeSegments()
        self._target_durations: dict[Path, int] = {}
        self._measured: dict[Path, tuple[tuple[str, int, int], list[master.Variant]]] = {}

    def has_stream(self, stream: str) -> bool:
        return (self._root / stream).is_dir()

    def current(self, stream: str) -> str | None:
        """The hex of the broadcast that is open, None when there is none. By what each says of
        itself: they come from several hosts, of which none knows all."""
        try:
            names = [name for name in os.listdir(self._root / stream) if layout.is_broadcast(name)]
        except OSError:
            return None
        found = {
            name: self._json(self._root / stream / name / layout.BROADCAST_FILE) for name in names
        }
        begun = [
            (facts["started_at"], name)
            for name, facts in found.items()
            if facts is not None and not facts.get("ended_at")
        ]
        return max(begun)[1] if begun else None

    def history(self, stream: str, broadcast: str) -> History | None:
        """The newest runs of a broadcast, enough to fill a window; None when there is none."""
        folder = self._root / stream / broadcast
        facts = self._json(folder / layout.BROADCAST_FILE)
        if facts is None or not self.owns(folder):
            return None
        runs: list[Run] = []
        told = ((name, self._json(folder / name / layout.RUN_FILE)) for name in run_folders(folder))
        for name, run_facts in reversed(fence.counting(told)):
            run = self._run(folder / name, run_facts)
            runs.append(run)
            if runs[0].first_sequence + runs[0].finished - run.first_sequence >= WINDOW:
                break
        ended_at = facts.get("ended_at")
        return History(
            broadcast=broadcast,
            grace_seconds=float(facts.get("grace_seconds", 30)),
            ended_at=datetime.fromisoformat(ended_at) if ended_at else None,
            runs=tuple(reversed(runs)),
            floor=floor.read(folder),
        )

    def owns(self, path: Path) -> bool:
        """Whether the path lies below the root once all links are followed."""
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def file(self, *parts: str) -> Path | None:
        """An existing regular file below the root."""
        path = self._root.joinpath(*parts)
        return path if path.is_file() and self.owns(path) else None

    def target_duration(self, stream: str, history: History) -> int:
        """Seconds; never less than any origin told for this broadcast (RFC 8216 6.2.1)."""
        folder = self._root / stream / history.broadcast
        told = max(
            self._target_durations.pop(folder, 0),
            self._files.read(folder / layout.TARGETS_FILE, _largest) or 0,
        )
        target = max([told, *(run.target_duration for run in history.runs)])
        if target > told:
            _note_target(folder, target)
        self._target_durations[folder] = target
        if len(self._target_durations) > MOST:
            del self._target_durations[next(iter(self._target_durations))]
        return target

    def newest_segment_at(self, stream: str, history: History) -> float:
        """Epoch seconds when the newest public segment was finished, 0.0 when there is none."""
        for run, count in history.counts():
            if count > 0:
                folder = self._root / stream / history.broadcast / run.folder
                names = [rendition.name for rendition in run.renditions]
                return finished_at(folder, names, count - 1) or 0.0
        return 0.0

    def thumbnail(self, stream: str, history: History) -> Path | None:
        for run in reversed(history.runs):
            found = self.file(stream, history.broadcast, run.folder, layout.THUMBNAIL_FILE)
            if found:
                return found
        return None

    def variants(self, stream: str, history: History) -> list[master.Variant]:
        """The renditions of the newest run that has segments, measured."""
        spans = history.window(WINDOW)
        if not spans:
            return []
        newest = spans[-1]
        broadcast = self._root / stream / history.broadcast
        # Asking for the size of every segment is most of the work of a master playlist.
        known = self._measured.pop(broadcast, None)
        if known is None or known[0] != (newest.run.folder, newest.start, newest.stop):
            folder = broadcast / newest.run.folder
            found = [self._variant(folder / r.name, r, newest) for r in newest.run.renditions]
            known = ((newest.run.folder, newest.start, newest.stop), found)
        self._measured[broadcast] = known
        if len(self._measured) > MOST:
            del self._measured[next(iter(self._measured))]
        return known[1]

    def _variant(self, folder: Path, rendition: Rendition, span: Span) -> master.Variant:
        init = self._files.read(folder / layout.INIT_FILE, init_segment.read)
        listed = [rendition.segment(number) for number in range(span.start, span.stop)]
        sizes = [(_size(folder / layout.segment_file(s.number)), s.duration) for s in listed]
        peak, average = master.measure([pair for pair in sizes if pair[0]], rendition.bandwidth)
        fps = rendition.fps
        if fps is None and init is not None and init.video_track is not None:
            fps = self._frame_rate(folder, listed[-1], init.video_track)
        return master.Variant(
            name=rendition.name,
            peak=peak,
            average=average,
            codecs=init.codecs if init else (),
            width=rendition.width or (init.width if init else 0),
            height=rendition.height or (init.height if init else 0),
            fps=fps,
        )

    def _frame_rate(self, folder: Path, segment: Segment, track: int) -> float | None:
        path = folder / layout.segment_file(segment.number)
        frames = self._files.read(path, lambda data: init_segment.count_samples(data, track))
        return frames / segment.duration if frames and segment.duration else None

    def _run(self, folder: Path, facts: dict[str, Any]) -> Run:
        return Run(
            folder=folder.name,
            first_sequence=facts["first_sequence"],
            discontinuity_sequence=facts["discontinuity_sequence"],
            segment_seconds=facts["segment_seconds"],
            renditions=tuple(self._rendition(folder, entry) for entry in facts["renditions"]),
            names=frozenset(facts.get("names", ())),
            tracks=frozenset(
                track
                for track in ("video", "audio")
                if any(entry[track] for entry in facts["renditions"])
            ),
        )

    def _rendition(self, folder: Path, entry: dict[str, Any]) -> Rendition:
        name = entry["name"]
        found: Rendition | None = self._files.read(
            folder / name / layout.LIST_FILE,
            lambda data: Rendition(
                name=name,
                width=entry["width"],
                height=entry["height"],
                fps=entry["fps"],
                bandwidth=entry["bandwidth"],
                segments=self._whole.of(folder / name, segment_list.parse(data.decode())),
            ),
        )
        return found or Rendition(
            name, entry["width"], entry["height"], entry["fps"], entry["bandwidth"], ()
        )

    def _json(self, path: Path) -> Any:
        return self._files.read(path, json.loads)


def run_folders(broadcast: Path) -> list[str]:
    """Names of a broadcast's run folders, oldest first."""
    try:
        names = [name for name in os.listdir(broadcast) if layout.is_run(name)]
    except OSError:
        return []
    return sorted(names, key=layout.run_number)


def finished_at(run: Path, renditions: list[str], number: int) -> float | None:
    """Epoch seconds when the last rendition finished a segment."""
    try:
        return max(
            os.stat(run / name / layout.segment_file(number)).st_mtime for name in renditions
        )
    except (OSError, ValueError):
        return None


def _largest(lines: bytes) -> int:
    return max((int(line) for line in lines.split()), default=0)


def _note_target(broadcast: Path, seconds: int) -> None:
    """Appended, so that of two origins neither undoes what the other noted. Without room on the
    disk each remembers its own."""
    with contextlib.suppress(OSError), (broadcast / layout.TARGETS_FILE).open("a") as file:
        file.write(f"{seconds}\n")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
