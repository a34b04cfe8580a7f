"""Pressure: how full the disk of the segments is. The decision is pure; a link remembers it."""

import os
import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from streams.origin import link

LINK = ".pressure"
# A level is left when there is this much more room than its watermark asks for...
MARGIN = 1.5
# ...and has been for so many seconds. Windows that grow again fill the disk again.
QUIET = 600.0
# Segments cut short by a full disk cannot be repaired, so it counts as full before it is.
FULL_SHARE = 0.25
SIZE = re.compile(r"\d+")
PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


class Level(IntEnum):
    ROOM = 0
    LOW = 1  # viewers rewind less far
    SCARCE = 2  # and nothing is kept after a broadcast's end; recordings have to ask for this
    FULL = 3  # and what players can do without goes at once


@dataclass(frozen=True)
class Watermark:
    """Free bytes, a share of the disk, or the lesser of both."""

    size: int | None
    percent: float | None

    @classmethod
    def parse(cls, text: str) -> "Watermark":
        """`1000000000`, `10%` or both with a comma between. Raises ValueError."""
        size = percent = None
        for part in (part.strip() for part in text.split(",")):
            if SIZE.fullmatch(part) and size is None:
                size = int(part)
            elif (match := PERCENT.fullmatch(part)) and percent is None:
                percent = float(match[1])
            else:
                raise ValueError(f"neither bytes nor a percentage: {part!r}")
        return cls(size, percent)

    def of(self, total: int) -> int:
        """Bytes, on a disk of so many."""
        share = total if self.percent is None else round(total * self.percent / 100)
        return share if self.size is None else min(share, self.size)


@dataclass(frozen=True)
class Room:
    """Bytes: what is free, and what has to be for each level."""

    free: int
    low: int
    scarce: int

    @property
    def marks(self) -> tuple[tuple[Level, float], ...]:
        full = self.scarce * FULL_SHARE
        return (Level.FULL, full), (Level.SCARCE, self.scarce), (Level.LOW, self.low)


def measure(root: Path, low: Watermark, scarce: Watermark) -> Room:
    """Raises OSError when the folder is not there."""
    status = os.statvfs(root)
    total = status.f_blocks * status.f_frsize
    return Room(status.f_bavail * status.f_frsize, low.of(total), scarce.of(total))


def decide(room: Room, before: Level, quiet: float) -> Level:
    """`quiet`: seconds since `before` was last called for."""
    now, still = _level(room, 1.0), _level(room, MARGIN)
    if still >= before:
        return max(now, before)
    if quiet >= QUIET:
        return still
    # Full is left at once, for the level below it: what it does costs viewers most.
    return max(still, min(before, Level.SCARCE))


def needed(room: Room, level: Level) -> bool:
    """Whether the level is called for, or would be again soon."""
    return _level(room, MARGIN) >= level


def _level(room: Room, margin: float) -> Level:
    for level, mark in room.marks:
        if room.free < mark * margin:
            return level
    return Level.ROOM


def read(root: Path) -> tuple[Level, float]:
    """The level as it was last decided, and the seconds since it was last called for."""
    path = root / LINK
    target = link.read(path)
    level = Level(int(target)) if target in ("0", "1", "2", "3") else Level.ROOM
    return level, link.age(path)


def remember(root: Path, level: Level) -> None:
    link.point(root / LINK, str(int(level)))
