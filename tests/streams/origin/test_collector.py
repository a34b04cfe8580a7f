import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.origin import floor, run_folder
from streams.origin.collector import HALF_DONE, LOST, RULES, Rule, collect
from streams.origin.pressure import Level
from tests.streams.origin import rfc8216
from tests.streams.origin.conftest import BROADCAST, STREAM, Station
from tests.streams.origin.test_playlist import listed, numbers

OTHER = "f" * 32
SHORT = Rule(window=10, spare=0, run=-1)


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def on_disk(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.m4s") if path.exists())


def test_a_broadcast_is_removed_some_time_after_its_end(station: Station) -> None:
    ended_at = datetime.now(UTC) - timedelta(seconds=100)
    run_folder.end_broadcast(station.root, STREAM, BROADCAST, ended_at)
    collect(station.root, Rule(ended=200))
    assert station.folder.exists()
    collect(station.root, Rule(ended=50))
    assert not station.folder.parent.exists()


def test_where_room_is_scarce_an_ended_broadcast_stays_for_seconds_only(station: Station) -> None:
    now = datetime.now(UTC)
    run_folder.end_broadcast(station.root, STREAM, BROADCAST, now - timedelta(seconds=10))
    collect(station.root, RULES[Level.SCARCE])
    assert station.folder.exists()
    collect(station.root, RULES[Level.FULL])
    assert not station.folder.exists()


def test_runs_that_left_the_window_are_removed(station: Station) -> None:
    old = station.open_run("720p").write(3).folder
    kept = station.open_run("720p").write(10).folder
    newest = station.open_run("720p").write(25)
    collect(station.root, Rule(run=-1))
    assert not old.exists()
    assert kept.exists()
    newest.write(5)
    collect(station.root, Rule(run=-1))
    assert not kept.exists()


def test_the_numbers_go_on_after_old_runs_were_removed(station: Station) -> None:
    station.open_run("720p").write(3)
    station.open_run("720p").write(40)
    station.open_run("720p")
    collect(station.root, Rule(run=-1))
    facts = json.loads((station.open_run("360p").folder / "run.json").read_text())
    assert (facts["first_sequence"], facts["discontinuity_sequence"]) == (43, 2)
    assert facts["names"] == ["360p", "720p"]


def test_a_run_that_never_counts_keeps_nothing_and_goes_itself(station: Station) -> None:
    """Begun by a holder whose lease was lost already."""
    old = station.open_run("720p", fence=5).write(40).folder
    good = station.open_run("720p", fence=5).write(5)
    stale = station.open_run("720p", fence=4).write(1).folder
    good.write(40)
    collect(station.root, Rule(run=60))
    assert stale.exists()  # an FFmpeg may be at work in it
    for folder in (old, stale):
        age(folder, 100)
    collect(station.root, Rule(run=60))
    assert [folder.exists() for folder in (old, good.folder, stale)] == [False, True, False]


def test_a_run_that_changed_lately_stays(station: Station) -> None:
    old = station.open_run("720p").write(3).folder
    station.open_run("720p").write(40)
    collect(station.root, Rule(run=60))
    assert old.exists()
    age(old, 100)
    collect(station.root, Rule(run=60))
    assert not old.exists()


def test_clearing_follows_no_links(station: Station, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / OTHER
    outside.mkdir(parents=True)
    (outside / "broadcast.json").write_text(json.dumps({"ended_at": "2020-01-01T00:00:00+00:00"}))
    (station.root / "linked").symlink_to(outside.parent)
    collect(station.root, Rule(ended=0))
    assert outside.exists()


def test_clearing_an_empty_disk_is_fine(tmp_path: Path) -> None:
    collect(tmp_path / "missing", Rule())
    assert list(run_folder.unended_broadcasts(tmp_path / "missing")) == []


def test_a_window_shrinks_on_the_list_first_and_on_the_disk_later(station: Station) -> None:
    run = station.open_run("720p", "360p").write(40)
    before = listed(station)
    collect(station.root, RULES[Level.LOW])
    assert numbers(station) == list(range(30, 40))
    rfc8216.check_update(before, listed(station))
    assert on_disk(run.folder / "360p") == list(range(5, 40))
    collect(station.root, RULES[Level.LOW])
    assert on_disk(run.folder / "360p") == list(range(5, 40))
    age(station.folder / floor.LINK, 11)
    collect(station.root, RULES[Level.LOW])
    assert on_disk(run.folder / "720p") == on_disk(run.folder / "360p") == list(range(30, 40))


def test_a_window_grows_again_by_new_segments_alone(station: Station) -> None:
    run = station.open_run("720p").write(40)
    collect(station.root, SHORT)
    run.write(5)
    collect(station.root, RULES[Level.ROOM])
    assert numbers(station) == list(range(30, 45))
    run.write(25)
    assert numbers(station) == list(range(40, 70))


def test_a_window_shrinks_across_runs_and_runs_below_it_go(station: Station) -> None:
    gone = station.open_run("720p").write(8).folder
    station.open_run("720p").write(8)
    station.open_run("720p").write(4)
    before = listed(station)
    collect(station.root, SHORT)
    collect(station.root, SHORT)
    assert numbers(station) == list(range(10, 20))
    rfc8216.check_update(before, listed(station))
    assert not gone.exists()


@pytest.mark.parametrize(("durations", "left"), [([8.3], 6), ([8.3] + [2.0] * 20, 16)])
def test_a_window_keeps_four_target_durations(
    station: Station, durations: list[float], left: int
) -> None:
    run = station.open_run("720p")
    for duration in durations * (20 // len(durations) or 1):
        run.write(1, duration=duration)
    collect(station.root, RULES[Level.FULL])
    assert len(numbers(station)) == left


def test_where_a_full_disk_left_the_list_empty_the_oldest_go_all_the_same(station: Station) -> None:
    run = station.open_run("720p").write(30)
    (run.folder / "720p/index.m3u8").write_text("")
    collect(station.root, RULES[Level.FULL])
    assert on_disk(run.folder / "720p") == list(range(24, 30))


def test_what_killed_processes_left_half_done_is_cleared(station: Station) -> None:
    old = station.open_run("720p").write(3).folder
    newest = station.open_run("720p").write(3).folder
    growing = station.folder / ".0003-deadbeef"
    (growing / "720p").mkdir(parents=True)
    half = [
        growing,
        station.folder / ".broadcast.json-77",
        station.folder.parent / ".half-77",
        old / "720p/000003.m4s.tmp",
        old / "thumb.jpg.tmp",
    ]
    live = newest / "720p/000003.m4s.tmp"
    for path in [*half[1:], live]:
        path.touch()
    collect(station.root, Rule())
    assert all(path.exists() for path in half)
    for path in [*half, live]:
        age(path, HALF_DONE + 1)
    collect(station.root, Rule())
    assert not any(path.exists() for path in half)
    assert live.exists()
    assert numbers(station) == list(range(6))


def test_a_broadcast_without_its_file_goes_when_nobody_writes_there(station: Station) -> None:
    run = station.open_run("720p").write(3)
    (station.folder / "broadcast.json").unlink()
    for path in (station.folder, run.folder):
        age(path, LOST + 1)
    collect(station.root, Rule())
    assert station.folder.exists()
    age(run.folder / "720p", LOST + 1)
    collect(station.root, Rule())
    assert not station.folder.parent.exists()


def test_one_folder_that_cannot_be_cleared_does_not_keep_the_others(station: Station) -> None:
    other = run_folder.open_broadcast(station.root, "attic", OTHER, datetime.now(UTC), 30)
    (other / floor.LINK).mkdir()
    (other / floor.LINK / "file").touch()
    station.open_run("720p").write(20)
    collect(station.root, SHORT)
    assert numbers(station) == list(range(10, 20))
