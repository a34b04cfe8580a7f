"""What a supervisor sees of a run's output."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from streams.origin.output import RunOutput
from tests.streams.origin.conftest import Station


def test_segments_count_once_all_renditions_have_them(station: Station) -> None:
    run = station.open_run("720p", "360p").write(1, only="360p")
    output = RunOutput(run.folder)
    assert (output.look().segments, output.look().newest_at) == (0, None)
    run.write(1, only="720p").write(1, only="360p")
    os.utime(run.folder / "720p/000000.m4s", (1000, 1000))
    os.utime(run.folder / "360p/000000.m4s", (900, 900))
    seen = output.look()
    assert (seen.segments, seen.newest_at, seen.gone) == (1, 1000, False)


def test_the_longest_segment_is_told(station: Station) -> None:
    output = RunOutput(station.open_run("720p").write(3).folder)
    assert 1.9 < output.look().longest < 2.2


def test_segments_that_a_full_disk_cut_short_are_no_progress(station: Station) -> None:
    run = station.open_run("720p").write(3)
    output = RunOutput(run.folder)
    before = replace(output.look(), age=None)
    run.write(2)
    for number in (3, 4):
        (run.folder / f"720p/{number:06d}.m4s").write_bytes(b"")
    assert replace(output.look(), age=None) == before
    (run.folder / "720p/index.m3u8").write_text("")
    assert replace(output.look(), age=None) == before


def test_a_wall_clock_that_is_set_forward_ages_nothing(station: Station) -> None:
    run = station.open_run("720p").write(3)
    output = RunOutput(run.folder)
    for number in range(3):
        os.utime(run.folder / f"720p/{number:06d}.m4s")
    assert output.look().age < 5  # type: ignore[operator]
    for number in range(3):
        os.utime(run.folder / f"720p/{number:06d}.m4s", (1000, 1000))
    assert output.look().age < 5  # type: ignore[operator]


def test_a_folder_that_is_removed_is_gone(station: Station) -> None:
    run = station.open_run("720p").write(3)
    output = RunOutput(run.folder)
    assert not output.look().gone
    shutil.rmtree(run.folder)
    assert output.look().gone


def test_a_folder_that_never_was_is_gone(tmp_path: Path) -> None:
    assert RunOutput(tmp_path / "none").look().gone
