"""Guesses, and whether they hold."""

import dataclasses
from functools import partial

from streams.ladder.guess import UNKNOWN, Guess, guess, holds, turned_out
from streams.ladder.renditions import choose
from streams.ladder.rungs import Rung
from streams.ladder.source import Audio, Source, Video

HD = Source(Video("h264", 1280, 720, 25.0), Audio("aac", 44_100, 1))
FULL_HD = Source(Video("h264", 1920, 1080, 60.0), Audio("aac", 48_000, 2))
LADDER = partial(choose, rungs=(), allow_copy=True)


def test_the_likeliest_broadcast_whose_source_is_known_is_the_guess() -> None:
    records = [
        {},
        {"video": None, "audio": None},
        dataclasses.asdict(HD) | {"key_frame_distance": 2.0},
    ]
    assert guess([*records, dataclasses.asdict(FULL_HD)]) == Guess(HD, 2.0)


def test_a_record_of_another_version_is_no_guess() -> None:
    assert guess([{"video": {"codec": "h264", "depth": 8}, "audio": None}]) is None


def test_a_guess_holds_for_a_source_that_gets_the_same_ladder() -> None:
    assert holds(HD, dataclasses.replace(HD, video=Video("h264", 1280, 720, 30.0)), LADDER)
    assert not holds(HD, FULL_HD, LADDER)
    assert not holds(HD, dataclasses.replace(HD, audio=None), LADDER)
    assert not holds(HD, dataclasses.replace(HD, audio=Audio("mp3", 44_100, 2)), LADDER)


def test_a_rate_that_a_rung_does_not_allow_makes_it_another_ladder() -> None:
    ladder = partial(choose, rungs=(Rung(480, 1_000_000, max_fps=30),), allow_copy=True)
    assert not holds(HD, dataclasses.replace(HD, video=Video("h264", 1280, 720, 60.0)), ladder)


def test_no_guess_holds_for_what_the_ingest_does_not_pass_on() -> None:
    encoded = partial(choose, rungs=(), allow_copy=False)
    hevc = dataclasses.replace(HD, video=Video("hevc", 1280, 720, 25.0))
    assert not holds(HD, hevc, encoded)


def test_an_adaptive_run_turns_out_to_have_what_the_source_should_get() -> None:
    found = turned_out(LADDER(UNKNOWN), LADDER(HD))
    assert found is not None
    assert [(r.name, r.width, r.height, r.fps) for r in found] == [
        ("1080p", 1280, 720, 25.0),
        ("480p", 854, 480, 25.0),
        ("360p", 640, 360, 25.0),
    ]


def test_sound_may_be_missing_from_an_adaptive_run_but_not_be_another() -> None:
    silent = turned_out(LADDER(UNKNOWN), LADDER(dataclasses.replace(HD, audio=None)))
    assert silent is not None
    assert {rendition.audio for rendition in silent} == {None}
    mp3 = dataclasses.replace(HD, audio=Audio("mp3", 44_100, 2))
    assert turned_out(LADDER(UNKNOWN), LADDER(mp3)) is None


def test_an_adaptive_run_lacks_what_a_larger_source_should_get() -> None:
    large = dataclasses.replace(HD, video=Video("h264", 2560, 1440, 30.0))
    assert turned_out(LADDER(UNKNOWN), LADDER(large)) is None


def test_an_adaptive_run_does_not_do_for_a_source_that_cannot_be_copied() -> None:
    deep = dataclasses.replace(HD, video=Video("h264", 1280, 720, 30.0, playable=False))
    assert turned_out(LADDER(UNKNOWN), LADDER(deep)) is None


def test_nor_for_sound_alone() -> None:
    assert turned_out(LADDER(UNKNOWN), LADDER(dataclasses.replace(HD, video=None))) is None


def test_a_source_too_small_for_another_rendition_gets_one_of_its_own_size() -> None:
    """Should its key frames be too far apart for a copy, there is something to show."""
    small = dataclasses.replace(HD, video=Video("h264", 427, 240, 25.0))
    found = turned_out(LADDER(UNKNOWN), LADDER(small))
    assert found is not None
    assert [(r.name, r.video, r.width, r.height) for r in found] == [
        ("1080p", "copy", 427, 240),
        ("360p", "x264", 426, 240),
    ]
