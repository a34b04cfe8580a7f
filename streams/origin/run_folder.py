"""Run folders: what the supervisor opens and ends below HLS_ROOT."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from streams.origin import fence, layout, segment_file
from streams.origin.disk import run_folders


@dataclass(frozen=True)
class Opened:
    folder: Path
    first_sequence: int


class Entry(Protocol):
    """A rendition of a ladder, as far as run.json is concerned."""

    @property
    def name(self) -> str: ...

    def entry(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Continuation:
    """Where the numbers of the next run begin, and the names players may ask for. `number`: of the
    run that it comes after."""

    first_sequence: int
    discontinuities: int
    names: tuple[str, ...]
    number: int = 0


AT_THE_BEGINNING = Continuation(0, 0, ())


def open_broadcast(
    root: Path,
    stream: str,
    broadcast_hex: str,
    started_at: datetime,
    grace_seconds: float,
    fence: int = 0,
) -> Path:
    """Make the broadcast's folder. `fence`: the lease's, by which hosts that write to the same
    broadcast are told apart. Only a higher one opens a broadcast again that was ended, and a lower
    one changes nothing."""
    folder = _broadcast(root, stream, broadcast_hex)
    folder.mkdir(parents=True, exist_ok=True)
    before = read_json(folder / layout.BROADCAST_FILE) or {}
    if before.get("fence", 0) > fence:
        return folder
    same = before.get("fence") == fence
    facts = {
        "broadcast": broadcast_hex,
        "started_at": started_at.isoformat(),
        "grace_seconds": grace_seconds,
        "fence": fence,
        "ended_at": before.get("ended_at") if same else None,
    }
    if facts != before:
        _write_json(folder / layout.BROADCAST_FILE, facts)
    return folder


def open_run(
    root: Path,
    stream: str,
    broadcast_hex: str,
    run_hex: str,
    number: int,
    renditions: Sequence[Entry],
    segment_seconds: int,
    fence: int = 0,
    before: Continuation = AT_THE_BEGINNING,
) -> Opened:
    """Make a run's folder with one folder per rendition, ready for FFmpeg.

    Its sequence numbers go on where the run before it ends, whatever that one still writes; where
    the folder of that one is lost, from where `before` says. `fence`: of the lease it is made
    under.
    Raises FileExistsError when the run was opened before.
    """
    broadcast = _broadcast(root, stream, broadcast_hex)
    folder = broadcast / f"{number:04d}-{run_hex[:8]}"
    if folder.exists():
        raise FileExistsError(folder)
    earlier = _newest_before(broadcast, number)
    first, discontinuities, names = _continuation(broadcast / earlier) if earlier else (0, 0, [])
    if not earlier or layout.run_number(earlier) < before.number:
        first = max(first, before.first_sequence)
        discontinuities = max(discontinuities, before.discontinuities)
    # Under another name until it is whole: no later run could be numbered after half a folder.
    growing = broadcast / f".{folder.name}"
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    for rendition in renditions:
        (growing / rendition.name).mkdir()
    facts = {
        "run": run_hex,
        "number": number,
        "fence": fence,
        "first_sequence": first,
        "discontinuity_sequence": discontinuities,
        "segment_seconds": segment_seconds,
        "renditions": [rendition.entry() for rendition in renditions],
        # A player that chose a rendition keeps asking for it after a run without it began.
        "names": sorted({*names, *before.names, *(rendition.name for rendition in renditions)}),
    }
    _write_json(growing / layout.RUN_FILE, facts)
    growing.rename(folder)
    return Opened(folder, first)


def describe_run(folder: Path, renditions: Sequence[Entry]) -> None:
    """Say anew what is known of the run's renditions; they stay the same ones."""
    facts = read_json(folder / layout.RUN_FILE)
    entries = [rendition.entry() for rendition in renditions]
    if facts is not None and facts["renditions"] != entries:
        _write_json(folder / layout.RUN_FILE, {**facts, "renditions": entries})


def adopt_run(folder: Path, fence: int) -> None:
    """Say under which lease the run goes on: what older leases began after it never counts."""
    facts = read_json(folder / layout.RUN_FILE)
    if facts is not None and facts.get("fence", 0) < fence:
        _write_json(folder / layout.RUN_FILE, {**facts, "fence": fence})


def end_broadcast(root: Path, stream: str, broadcast_hex: str, ended_at: datetime) -> None:
    """Note the end, so that playlists say so."""
    folder = _broadcast(root, stream, broadcast_hex)
    facts = read_json(folder / layout.BROADCAST_FILE)
    if facts is not None and facts.get("ended_at") is None:
        _write_json(folder / layout.BROADCAST_FILE, {**facts, "ended_at": ended_at.isoformat()})


def unended_broadcasts(root: Path) -> Iterator[tuple[str, str]]:
    """(stream name, broadcast hex) of every broadcast whose folder does not know of an end."""
    for stream in folders(root):
        for folder in folders(stream):
            if layout.is_stream(stream.name) and layout.is_broadcast(folder.name):
                facts = read_json(folder / layout.BROADCAST_FILE)
                if facts is not None and facts.get("ended_at") is None:
                    yield stream.name, folder.name


def counting(broadcast: Path) -> list[tuple[str, dict[str, Any]]]:
    """The run folders that count, oldest first, and what they say of themselves."""
    return fence.counting(
        (name, read_json(broadcast / name / layout.RUN_FILE)) for name in run_folders(broadcast)
    )


def _newest_before(broadcast: Path, number: int) -> str | None:
    earlier = [name for name, _ in counting(broadcast) if layout.run_number(name) < number]
    return earlier[-1] if earlier else None


def _continuation(run: Path) -> tuple[int, int, list[str]]:
    """First sequence number, discontinuity sequence and rendition names after a run."""
    facts = read_json(run / layout.RUN_FILE)
    if facts is None:
        raise FileNotFoundError(run / layout.RUN_FILE)
    count = finished(run, facts)
    discontinuities = facts["discontinuity_sequence"] + (1 if count else 0)
    return facts["first_sequence"] + count, discontinuities, facts.get("names", [])


def finished(run: Path, facts: dict[str, Any]) -> int:
    """Segments that all renditions of the run have finished."""
    counts = (segment_file.finished(run / entry["name"]) for entry in facts["renditions"])
    return min(counts, default=0)


def _broadcast(root: Path, stream: str, broadcast_hex: str) -> Path:
    if not layout.is_stream(stream) or not layout.is_broadcast(broadcast_hex):
        raise ValueError(f"not a folder of a broadcast: {stream}/{broadcast_hex}")
    return root / stream / broadcast_hex


def folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return facts


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    """Readers see the old file or the new one, never half of it."""
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.write_text(json.dumps(facts))
    new.replace(path)
