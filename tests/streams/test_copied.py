"""The copied rendition on trial, with the lists that FFmpeg would write."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams import copied
from streams.copied import KeyFrames, Trial
from streams.ladder.guess import UNKNOWN
from streams.ladder.key_frames import KEY_FRAMES_FILE
from streams.ladder.renditions import choose

LADDER = choose(UNKNOWN, (), allow_copy=True)
COPY, *ENCODED = [rendition.name for rendition in LADDER]


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, durations: Sequence[float]) -> None:
        (self.path / name).mkdir(exist_ok=True)
        lines = [f"#EXTINF:{d:.6f},\n{n:06d}.m4s" for n, d in enumerate(durations)]
        (self.path / name / "index.m3u8").write_text("\n".join(["#EXTM3U", *lines, ""]))

    def encode(self, count: int) -> None:
        for name in ENCODED:
            self.write(name, [2.0] * count)

    def note(self, *times: float, ago: float = 0.0) -> None:
        file = self.path / KEY_FRAMES_FILE
        lines = [f"0, {round(t * 1000)}, {round(t * 1000)}, 33, 1, 0x0" for t in times]
        file.write_text("\n".join(["#tb 0: 1/1000", *lines, ""]))
        at = time.time() - ago
        os.utime(file, (at, at))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied, "LATE_BY", 0.0)


def test_a_copy_in_line_with_the_others_stays(folder: Folder) -> None:
    trial = Trial(LADDER)
    folder.encode(7)
    folder.write(COPY, [2.002] * 7)
    assert not trial.look(folder.path)
    assert (trial.hidden, trial.over) == (False, True)


def test_a_copy_without_a_segment_when_the_others_have_one_is_hidden(folder: Folder) -> None:
    trial = Trial(LADDER)
    folder.note(10.0)
    assert not trial.look(folder.path)
    assert not trial.hidden
    folder.encode(1)
    assert not trial.look(folder.path)
    assert (trial.hidden, trial.over) == (True, False)
    assert [rendition.name for rendition in trial.without_copy] == ENCODED


def test_the_run_is_replaced_right_before_a_key_frame(folder: Folder) -> None:
    trial = Trial(LADDER)
    folder.encode(5)
    folder.note(10.0, 18.3, ago=1.0)
    assert not trial.look(folder.path)
    folder.note(10.0, 18.3, ago=7.4)
    assert trial.look(folder.path)
    folder.note(10.0, 18.3, ago=8.3 + 7.4)
    assert trial.look(folder.path)


def test_a_copy_that_falls_out_of_line_stays_until_the_run_is_replaced(folder: Folder) -> None:
    trial = Trial(LADDER)
    folder.encode(3)
    folder.write(COPY, [2.0, 1.2, 2.0])
    folder.note(10.0, 11.1)
    assert trial.look(folder.path)
    assert not trial.hidden


def test_a_ladder_of_the_copy_alone_is_on_no_trial(folder: Folder) -> None:
    trial = Trial(LADDER[:1])
    assert not trial.look(folder.path)
    assert trial.over


def test_a_second_key_frame_that_never_comes_is_far_away(folder: Folder) -> None:
    folder.note(10.0)
    assert KeyFrames.of(folder.path).distance(written=4.0) is None
    assert KeyFrames.of(folder.path).distance(written=11.0) == copied.NO_KEY_FRAME_FOR
    assert not KeyFrames.of(folder.path).due


def test_key_frames_too_rare_to_wait_for_settle_a_run_without_the_copy(folder: Folder) -> None:
    trial = Trial(LADDER)
    folder.encode(7)
    folder.note(0.0, ago=59.0)
    assert not trial.look(folder.path)
    assert (trial.hidden, trial.over) == (True, False)
    folder.note(0.0, ago=61.0)
    assert not trial.look(folder.path)
    assert (trial.hidden, trial.over) == (True, True)
