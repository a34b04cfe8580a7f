import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.origin import run_folder
from streams.origin.run_folder import Continuation
from tests.streams.origin.conftest import BROADCAST, NOON, STREAM, Station, rendition

OTHER = "f" * 32
LOST = Continuation(33, 1, (), number=1)


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_opening_a_broadcast_makes_it_current(station: Station) -> None:
    assert station.disk.current(STREAM) == BROADCAST
    assert json.loads((station.folder / "broadcast.json").read_text()) == {
        "broadcast": BROADCAST,
        "started_at": "2026-01-01T12:00:00+00:00",
        "grace_seconds": 30,
        "fence": 0,
        "ended_at": None,
    }
    assert list(run_folder.unended_broadcasts(station.root)) == [(STREAM, BROADCAST)]


def test_opening_a_run_makes_a_folder_for_each_rendition(station: Station) -> None:
    folder = station.open_run("720p", "360p").folder
    assert folder.name == "0001-10000000"
    assert {path.name for path in folder.iterdir()} == {"run.json", "720p", "360p"}
    assert facts(folder)["renditions"][1] == rendition("360p").entry()


def test_a_run_begins_where_all_renditions_of_the_one_before_ended(station: Station) -> None:
    station.open_run("720p", "360p").write(4).write(2, only="360p")
    found = facts(station.open_run("720p").folder)
    assert (found["first_sequence"], found["discontinuity_sequence"]) == (4, 1)
    assert found["names"] == ["360p", "720p"]


def test_a_run_is_opened_once(station: Station) -> None:
    station.open_run("720p")
    station.runs = 0
    with pytest.raises(FileExistsError):
        station.open_run("720p")


@pytest.mark.parametrize(
    ("stream", "broadcast"), [("../x", BROADCAST), ("x", ".."), ("X", BROADCAST), ("x", "current")]
)
def test_unsafe_names_are_refused(tmp_path: Path, stream: str, broadcast: str) -> None:
    with pytest.raises(ValueError, match="not a folder of a broadcast"):
        run_folder.open_broadcast(tmp_path, stream, broadcast, NOON, 30)


def test_of_two_that_nobody_ended_the_later_one_is_on_air(station: Station) -> None:
    run_folder.open_broadcast(station.root, STREAM, OTHER, NOON - timedelta(seconds=1), 30)
    assert station.disk.current(STREAM) == BROADCAST


def test_ending_takes_only_itself_off_the_air(station: Station) -> None:
    run_folder.open_broadcast(station.root, STREAM, OTHER, NOON + timedelta(seconds=0.5), 30)
    station.end()
    assert station.disk.current(STREAM) == OTHER
    run_folder.end_broadcast(station.root, STREAM, OTHER, NOON)
    assert station.disk.current(STREAM) is None


def test_a_holder_of_an_older_lease_changes_nothing(station: Station) -> None:
    """Frozen before it began, while its successor went on or ended the broadcast."""
    path = station.folder / "broadcast.json"
    run_folder.open_broadcast(station.root, STREAM, BROADCAST, NOON, 30, fence=5)
    for end in (lambda: None, station.end):
        end()
        before = path.read_text()
        for fence in (3, 5):
            run_folder.open_broadcast(station.root, STREAM, BROADCAST, NOON, 30, fence=fence)
        assert path.read_text() == before


def test_only_a_later_lease_opens_again_what_was_ended(station: Station) -> None:
    station.end()
    run_folder.open_broadcast(station.root, STREAM, BROADCAST, NOON, 30, fence=1)
    assert station.disk.current(STREAM) == BROADCAST


def test_the_first_end_is_the_one_that_counts(station: Station) -> None:
    station.end()
    before = (station.folder / "broadcast.json").read_text()
    run_folder.end_broadcast(station.root, STREAM, BROADCAST, NOON + timedelta(days=1))
    assert (station.folder / "broadcast.json").read_text() == before


def test_half_a_folder_of_a_killed_worker_is_in_nobodys_way(station: Station) -> None:
    station.open_run("360p").write(3)
    (station.folder / "0002-deadbeef").mkdir()
    (station.folder / ".0003-deadbeef").mkdir()
    station.runs += 1
    run = station.open_run("360p")
    assert json.loads((run.folder / "run.json").read_text())["first_sequence"] == 3


@pytest.mark.parametrize("listed", ["", "#EXTM3U\n"])
def test_a_list_that_a_full_disk_left_empty_does_not_begin_the_numbers_anew(
    station: Station, listed: str
) -> None:
    run = station.open_run("720p", "360p").write(7)
    (run.folder / "360p/index.m3u8").write_text(listed)
    assert facts(station.open_run("720p").folder)["first_sequence"] == 7


def test_segments_cut_short_are_not_counted(station: Station) -> None:
    run = station.open_run("720p").write(7)
    (run.folder / "720p/000005.m4s").write_bytes(b"\0\0\1\0mdat")
    (run.folder / "720p/000006.m4s").write_bytes(b"")
    assert facts(station.open_run("720p").folder)["first_sequence"] == 5


def test_numbers_never_go_back_though_all_that_is_listed_is_broken(station: Station) -> None:
    run = station.open_run("720p").write(40)
    for segment in run.folder.glob("720p/*.m4s"):
        segment.write_bytes(b"")
    assert facts(station.open_run("720p").folder)["first_sequence"] == 10


def test_numbers_go_on_when_the_folders_before_are_lost(station: Station) -> None:
    station.open_run("720p").write(3)
    shutil.rmtree(station.folder)
    station.folder.mkdir()
    opened = run_folder.open_run(station.root, STREAM, BROADCAST, "c" * 32, 2, [], 2, before=LOST)
    found = facts(opened.folder)
    assert (found["first_sequence"], found["discontinuity_sequence"]) == (33, 1)
    assert opened.first_sequence == 33


def test_the_folders_count_where_they_are_there(station: Station) -> None:
    station.open_run("720p").write(3)
    opened = run_folder.open_run(station.root, STREAM, BROADCAST, "c" * 32, 2, [], 2, before=LOST)
    assert opened.first_sequence == 3


def test_numbers_do_not_go_back_when_the_folder_right_before_is_lost(station: Station) -> None:
    station.open_run("720p").write(3)
    lost = station.open_run("720p").write(20)
    shutil.rmtree(lost.folder)
    opened = run_folder.open_run(
        station.root,
        STREAM,
        BROADCAST,
        "c" * 32,
        3,
        [],
        2,
        before=Continuation(53, 2, (), number=2),
    )
    found = facts(opened.folder)
    assert (found["first_sequence"], found["discontinuity_sequence"]) == (53, 2)
