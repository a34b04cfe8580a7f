"""The collector: removes what nobody plays any more, sooner the fuller the disk is."""

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from streams.origin import floor, layout, link
from streams.origin.disk import Disk, run_folders
from streams.origin.playlist import WINDOW
from streams.origin.pressure import Level
from streams.origin.run_folder import counting, finished, folders, read_json

logger = logging.getLogger(__name__)

# Nothing of ours is half done for so long, nor is a segment that FFmpeg still writes unchanged.
HALF_DONE = 60.0
# A broadcast's folder without broadcast.json is invisible, but an FFmpeg may be at work in it.
LOST = 600.0
# What a deleted segment becomes; FFmpeg deletes it in its turn, and would fill its log with
# complaints if there were nothing.
NOWHERE = "deleted"


@dataclass(frozen=True)
class Rule:
    """`window`: segments that stay listed; the rest in seconds: `spare` for players that read a
    list before it shrank, `ended` for a broadcast after its end, `run` for one that left the
    window, since it changed last (FFmpeg makes a thumbnail each ten seconds)."""

    window: int = WINDOW
    spare: float = 10.0
    ended: float = 600.0
    run: float = 600.0


RULES = {
    Level.ROOM: Rule(),
    Level.LOW: Rule(window=10, run=30.0),
    # Players ask for a playlist once in a target duration; then they have read ENDLIST.
    Level.SCARCE: Rule(window=10, ended=20.0, run=30.0),
    Level.FULL: Rule(window=6, spare=0.0, ended=0.0, run=30.0),
}


def collect(root: Path, rule: Rule) -> None:
    disk = Disk(root)
    for stream in folders(root):
        for folder in folders(stream):
            if layout.is_broadcast(folder.name):
                try:
                    _collect_broadcast(disk, folder, rule)
                except OSError as error:  # one that cannot be cleared does not keep the others
                    logger.warning("clearing %s: %s", folder, error)
        _clear_half_done(stream)
        with contextlib.suppress(OSError):
            stream.rmdir()  # only an empty one goes


def _collect_broadcast(disk: Disk, folder: Path, rule: Rule) -> None:
    facts = read_json(folder / layout.BROADCAST_FILE)
    if facts is None:
        if _changed_at(folder) < time.time() - LOST:
            remove(folder)
        return
    if ended_at := facts.get("ended_at"):
        if datetime.fromisoformat(ended_at).timestamp() < time.time() - rule.ended:
            remove(folder)
        return
    _remove_runs(folder, rule)
    if rule.window < WINDOW:
        _trim(disk, folder, rule)
    _clear_half_done(folder)
    for name in run_folders(folder)[:-1]:
        for half_done in (folder / name, *folders(folder / name)):
            _clear_half_done(half_done)


def _trim(disk: Disk, broadcast: Path, rule: Rule) -> None:
    """Delete what has been off the list long enough, then shorten the list."""
    if floor.age(broadcast) < rule.spare:
        return
    _delete_below(broadcast, floor.read(broadcast))
    end = _finished(broadcast)
    history = disk.history(broadcast.parent.name, broadcast.name)
    spans = history.window(WINDOW) if history is not None else ()
    wanted = floor.wanted(spans, rule.window)
    if not spans or end > spans[-1].end:
        # A full disk leaves FFmpeg's list empty, until something is deleted that it named.
        wanted = max(wanted, end - rule.window)
    floor.raise_to(broadcast, wanted)
    if rule.spare == 0:
        _delete_below(broadcast, wanted)


def _finished(broadcast: Path) -> int:
    """The sequence number behind the newest finished segment."""
    for name, facts in counting(broadcast)[-1:]:
        return int(facts["first_sequence"]) + finished(broadcast / name, facts)
    return 0


def _delete_below(broadcast: Path, sequence: int) -> None:
    """Oldest first."""
    for name in run_folders(broadcast):
        facts = read_json(broadcast / name / layout.RUN_FILE)
        if facts is None:
            continue
        for rendition in folders(broadcast / name):
            files = sorted(_segments(rendition))
            for number, path in files:
                if facts["first_sequence"] + number >= sequence:
                    break
                _delete(path)


def _segments(rendition: Path) -> Iterator[tuple[int, Path]]:
    with contextlib.suppress(OSError), os.scandir(rendition) as entries:
        for entry in entries:
            if layout.is_segment(entry.name) and not entry.is_symlink():
                yield int(entry.name.partition(".")[0]), Path(entry.path)


def _delete(segment: Path) -> None:
    """Whoever is reading it reads on to its end; whoever asks anew finds nothing."""
    try:
        link.point(segment, NOWHERE)
    except OSError:  # no inode left
        segment.unlink(missing_ok=True)


def _remove_runs(broadcast: Path, rule: Rule) -> None:
    """Oldest first, and none behind one that stays: counts are differences to the next run. The
    newest always stays: the next one's numbers are counted from it."""
    runs = counting(broadcast)
    if not runs:
        return
    _remove_uncounted(broadcast, {name for name, _ in runs}, rule)
    newest, facts = runs[-1]
    window = facts["first_sequence"] + finished(broadcast / newest, facts) - WINDOW
    if floor.age(broadcast) >= rule.spare:
        window = max(window, floor.read(broadcast))
    for (name, _), (_, following) in pairwise(runs):
        if following["first_sequence"] > window or _changed_lately(broadcast / name, rule):
            return
        remove(broadcast / name)


def _remove_uncounted(broadcast: Path, counted: set[str], rule: Rule) -> None:
    """Nobody plays them, but an FFmpeg may still be at work in one."""
    for name in run_folders(broadcast):
        whole = read_json(broadcast / name / layout.RUN_FILE) is not None
        if whole and name not in counted and not _changed_lately(broadcast / name, rule):
            remove(broadcast / name)


def _changed_lately(run: Path, rule: Rule) -> bool:
    return run.stat().st_mtime > time.time() - rule.run


def remove(folder: Path) -> None:
    """From now on it is no broadcast and no run; a removal cut short leaves what is half done."""
    gone = folder.with_name(f".{folder.name}")
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _clear_half_done(folder: Path) -> None:
    """What a process that was killed had begun: names with a dot before them, or FFmpeg's .tmp."""
    limit = time.time() - HALF_DONE
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            path = folder / name
            if not name.startswith(".") and not name.endswith(".tmp"):
                continue
            if os.lstat(path).st_mtime > limit:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _changed_at(folder: Path) -> float:
    """Epoch seconds of the newest change to it or to a folder in it."""
    inside = (Path(path) for path, _, _ in os.walk(folder))
    return max((path.stat().st_mtime for path in inside), default=0.0)
