"""The decision as a table, on a disk of 1000 bytes: low below 100 free, scarce 40, full 10."""

from pathlib import Path

import pytest

from streams.origin import pressure
from streams.origin.pressure import QUIET, Level, Room, Watermark

ROOM, LOW, SCARCE, FULL = Level


@pytest.mark.parametrize(
    ("free", "before", "quiet", "after"),
    [
        (100, ROOM, 0, ROOM),
        (99, ROOM, 0, LOW),
        (39, ROOM, 0, SCARCE),
        (9, ROOM, 0, FULL),
        (0, LOW, 0, FULL),
        # More room than the watermark asks for is not enough at once...
        (120, LOW, QUIET, LOW),
        (1000, LOW, QUIET - 1, LOW),
        (1000, LOW, QUIET, ROOM),
        (120, SCARCE, QUIET, LOW),
        (1000, SCARCE, 0, SCARCE),
        (1000, SCARCE, QUIET, ROOM),
        # ...but what viewers feel most ends soon.
        (14, FULL, QUIET, FULL),
        (16, FULL, 0, SCARCE),
        (1000, FULL, 0, SCARCE),
        (30, LOW, QUIET, SCARCE),
    ],
)
def test_the_level(free: int, before: Level, quiet: float, after: Level) -> None:
    assert pressure.decide(Room(free, low=100, scarce=40), before, quiet) is after


@pytest.mark.parametrize(
    ("text", "total", "wanted"),
    [
        ("200000000", 10**9, 200_000_000),
        ("5%", 10**9, 50_000_000),
        ("200000000, 5%", 10**9, 50_000_000),
        ("200000000,5%", 20 * 10**9, 200_000_000),
        ("2.5%", 1000, 25),
    ],
)
def test_a_watermark_is_bytes_or_a_share_or_the_lesser(text: str, total: int, wanted: int) -> None:
    assert Watermark.parse(text).of(total) == wanted


@pytest.mark.parametrize("text", ["", "1G", "-1", "5%,5%", "1,2", "much", "1,", "%"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither bytes nor a percentage"):
        Watermark.parse(text)


def test_the_level_is_remembered_on_the_disk_itself(tmp_path: Path) -> None:
    assert pressure.read(tmp_path) == (ROOM, float("inf"))
    pressure.remember(tmp_path, SCARCE)
    level, quiet = pressure.read(tmp_path)
    assert (level, quiet < 5) == (SCARCE, True)
