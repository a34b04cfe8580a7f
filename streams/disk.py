"""The disk of the segments on this host: makes room as it fills up, and says so loudly."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from streams import timeline
from streams.models import Broadcast
from streams.origin import collector, pressure, run_folder
from streams.origin.pressure import Level, Room
from streams.supervisor.states import EventKind

logger = logging.getLogger(__name__)

MEANING = {
    Level.ROOM: "windows grow again, and broadcasts are kept after their end",
    Level.LOW: "viewers rewind less far",
    Level.SCARCE: "viewers rewind less far, and nothing is kept after a broadcast's end",
    Level.FULL: "only what players need to go on is kept",
}


def measure(root: Path) -> Room:
    """Raises OSError when the folder is not there."""
    return pressure.measure(root, settings.DISK_LOW, settings.DISK_MIN_FREE)


def state(root: Path) -> tuple[bool, str]:
    """Whether less is free than has to be, and how it is in words; also when nobody makes room."""
    root = root if root.is_dir() else root.parent  # nothing was ever on air
    room = measure(root)
    before, quiet = pressure.read(root)
    level = pressure.decide(room, before, quiet)
    if level >= Level.SCARCE:
        return True, f"{room.free} bytes free, {room.scarce} are wanted: {MEANING[level]}"
    return False, f"{room.free} bytes free" + (f": {MEANING[level]}" if level else "")


def relieve(root: Path, *, thorough: bool = True) -> Level:
    """Remove what is over, and more of what is not the less room there is. Every few seconds, on
    every host, `thorough` now and then: while there is room, only then is anything removed. When
    another process of this host is at it, nothing is done."""
    with _alone(root) as alone:
        before, quiet = pressure.read(root)
        if not alone:
            return before
        room = measure(root)
        level = pressure.decide(room, before, quiet)
        # What frees room comes first; the rest may need some.
        if level or thorough:
            collector.collect(root, collector.RULES[level])
        if level is not before or (level and pressure.needed(room, level)):
            pressure.remember(root, level)
        if level is not before:
            _tell(root, level, before, room)
    return level


@contextmanager
def _alone(root: Path) -> Iterator[bool]:
    """Whether nobody else on this host holds the folder. The kernel lets go for those who die."""
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # nothing was ever on air
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _tell(root: Path, level: Level, before: Level, room: Room) -> None:
    text = f"{room.free} bytes free on the disk: {MEANING[level]}."
    if level < before:
        logger.warning("disk pressure falls from %s to %s: %s", before.name, level.name, text)
        return
    logger.error("disk pressure rises from %s to %s: %s", before.name, level.name, text)
    here = [broadcast for _, broadcast in run_folder.unended_broadcasts(root)]
    try:
        for broadcast in Broadcast.objects.filter(pk__in=here, open_key__isnull=False):
            timeline.note(broadcast.pk, EventKind.DISK, text)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the timelines were not told of the disk: %s", error)
