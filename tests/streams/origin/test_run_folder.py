import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.origin import run_folder
from tests.streams.origin.conftest import BROADCAST, NOON, STREAM, Station, rendition

OTHER = "f" * 32


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_opening_a_broadcast_makes_it_current(station: Station) -> None:
    assert station.disk.current(STREAM) == BROADCAST
    assert json.loads((station.folder / "broadcast.json").read_text()) == {
        "broadcast": BROADCAST,
        "started_at": "2026-01-01T12:00:00+00:00",
        "grace_seconds": 30,
        "ended_at": None,
    }
    assert list(run_folder.unended_broadcasts(station.root)) == [(STREAM, BROADCAST)]
    assert (station.root / STREAM / "current").readlink() == Path(BROADCAST)


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


def test_ending_takes_only_its_own_current_away(station: Station) -> None:
    run_folder.open_broadcast(station.root, STREAM, OTHER, NOON, 30)
    station.end()
    assert station.disk.current(STREAM) == OTHER
    run_folder.end_broadcast(station.root, STREAM, OTHER, NOON)
    assert station.disk.current(STREAM) is None


def test_the_first_end_is_the_one_that_counts(station: Station) -> None:
    station.end()
    before = (station.folder / "broadcast.json").read_text()
    run_folder.end_broadcast(station.root, STREAM, BROADCAST, NOON + timedelta(days=1))
    assert (station.folder / "broadcast.json").read_text() == before


def test_a_broadcast_is_removed_some_time_after_its_end(station: Station) -> None:
    now = datetime.now(UTC)
    run_folder.end_broadcast(station.root, STREAM, BROADCAST, now - timedelta(seconds=100))
    run_folder.remove_old(station.root, older_than=200)
    assert station.folder.exists()
    run_folder.remove_old(station.root, older_than=50)
    assert not station.folder.exists()


def test_runs_that_left_the_window_are_removed(station: Station) -> None:
    old = station.open_run("720p").write(3).folder
    kept = station.open_run("720p").write(10).folder
    newest = station.open_run("720p").write(25)
    run_folder.remove_old(station.root, older_than=-1)
    assert not old.exists()
    assert kept.exists()
    newest.write(5)
    run_folder.remove_old(station.root, older_than=-1)
    assert not kept.exists()


def test_the_numbers_go_on_after_old_runs_were_removed(station: Station) -> None:
    station.open_run("720p").write(3)
    station.open_run("720p").write(40)
    station.open_run("720p")
    run_folder.remove_old(station.root, older_than=-1)
    found = facts(station.open_run("360p").folder)
    assert (found["first_sequence"], found["discontinuity_sequence"]) == (43, 2)
    assert found["names"] == ["360p", "720p"]


def test_a_run_that_changed_lately_stays(station: Station) -> None:
    old = station.open_run("720p").write(3).folder
    station.open_run("720p").write(40)
    run_folder.remove_old(station.root, older_than=60)
    assert old.exists()
    long_ago = time.time() - 100
    os.utime(old, (long_ago, long_ago))
    run_folder.remove_old(station.root, older_than=60)
    assert not old.exists()


def test_clearing_follows_no_links(station: Station, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / OTHER
    outside.mkdir(parents=True)
    (outside / "broadcast.json").write_text(json.dumps({"ended_at": "2020-01-01T00:00:00+00:00"}))
    (station.root / "linked").symlink_to(outside.parent)
    run_folder.remove_old(station.root, older_than=0)
    assert outside.exists()


def test_clearing_an_empty_disk_is_fine(tmp_path: Path) -> None:
    run_folder.remove_old(tmp_path / "missing", older_than=0)
    assert list(run_folder.unended_broadcasts(tmp_path / "missing")) == []


def test_half_a_folder_of_a_killed_worker_is_in_nobodys_way(station: Station) -> None:
    station.open_run("360p").write(3)
    (station.folder / "0002-deadbeef").mkdir()
    (station.folder / ".0003-deadbeef").mkdir()
    station.runs += 1
    run = station.open_run("360p")
    assert json.loads((run.folder / "run.json").read_text())["first_sequence"] == 3


def test_numbers_go_on_when_the_folders_before_are_lost(station: Station) -> None:
    station.open_run("720p").write(3)
    shutil.rmtree(station.folder)
    station.folder.mkdir()
    opened = run_folder.open_run(station.root, STREAM, BROADCAST, "c" * 32, 2, [], 2, floor=(33, 1))
    found = facts(opened.folder)
    assert (found["first_sequence"], found["discontinuity_sequence"]) == (33, 1)
    assert opened.first_sequence == 33


def test_the_folders_count_where_they_are_there(station: Station) -> None:
    station.open_run("720p").write(3)
    opened = run_folder.open_run(station.root, STREAM, BROADCAST, "c" * 32, 2, [], 2, floor=(33, 1))
    assert opened.first_sequence == 3
