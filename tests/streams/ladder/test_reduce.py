import pytest

from streams.ladder.reduce import copy_only, most_sheddable, without_dearest
from streams.ladder.renditions import Rendition, choose
from streams.ladder.rungs import DEFAULT_RUNGS, Rung
from streams.ladder.source import Audio, Source, Video

AAC = Audio("aac", 48_000, 2)
FULL_HD = Source(Video("h264", 1920, 1080, 30), AAC)
COPIED = choose(FULL_HD, DEFAULT_RUNGS, allow_copy=True)
ENCODED = choose(FULL_HD, DEFAULT_RUNGS, allow_copy=False)
SOUND = choose(Source(None, AAC), DEFAULT_RUNGS, allow_copy=True)


def names(renditions: tuple[Rendition, ...]) -> str:
    return " ".join(rendition.name for rendition in renditions)


@pytest.mark.parametrize(
    ("ladder", "count", "expected"),
    [
        (COPIED, 0, "1080p 720p 480p 360p"),
        (COPIED, 1, "1080p 480p 360p"),
        (COPIED, 2, "1080p 360p"),
        (COPIED, 3, "1080p"),
        (COPIED, 9, "1080p"),
        (ENCODED, 1, "720p 480p 360p"),
        (ENCODED, 3, "360p"),
        (ENCODED, 9, "360p"),
        (SOUND, 0, "audio"),
        (SOUND, 9, "audio"),
    ],
)
def test_the_dearest_encoded_renditions_go_first(
    ladder: tuple[Rendition, ...], count: int, expected: str
) -> None:
    assert names(without_dearest(ladder, count)) == expected


@pytest.mark.parametrize(
    ("ladder", "expected"), [(COPIED, "1080p"), (ENCODED, "360p"), (SOUND, "audio")]
)
def test_what_is_left_when_there_is_no_room(ladder: tuple[Rendition, ...], expected: str) -> None:
    assert names(copy_only(ladder)) == expected


@pytest.mark.parametrize(("ladder", "count"), [(COPIED, 3), (ENCODED, 3), (SOUND, 0)])
def test_it_knows_when_no_more_can_be_shed(ladder: tuple[Rendition, ...], count: int) -> None:
    assert most_sheddable(ladder) == count
    assert without_dearest(ladder, count) == without_dearest(ladder, count + 1)


def test_a_fast_rendition_can_be_dearer_than_a_larger_one() -> None:
    rungs = (Rung(720, 1, max_fps=15), Rung(540, 1))
    ladder = choose(Source(Video("h264", 1920, 1080, 60), AAC), rungs, allow_copy=True)
    assert names(without_dearest(ladder, 1)) == "1080p 720p"
