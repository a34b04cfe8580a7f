import random
from itertools import pairwise
from pathlib import Path

import pytest

from streams.origin import playlist, run_folder
from streams.origin.collector import Rule, collect
from streams.origin.disk import Disk
from tests.streams.origin import rfc8216
from tests.streams.origin.conftest import BROADCAST, STREAM, Station, Writer

LADDER = ("1080p", "720p", "360p")


def text(station: Station, name: str = "720p") -> str | None:
    history = station.disk.history(STREAM, BROADCAST)
    assert history is not None
    return playlist.compose(history, name, station.disk.target_duration(STREAM, history))


def listed(station: Station, name: str = "720p") -> rfc8216.Playlist:
    found = text(station, name)
    assert found is not None
    return rfc8216.parse(found)


def numbers(station: Station, name: str = "720p") -> list[int]:
    return list(listed(station, name).numbered())


def test_it_is_what_a_player_expects(station: Station) -> None:
    station.open_run("720p").write(2)
    assert text(station) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MAP:URI="0001-10000000/720p/init.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:10:00.000Z\n#EXTINF:2.000000,\n"
        "0001-10000000/720p/000000.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:10:02.000Z\n#EXTINF:2.000000,\n"
        "0001-10000000/720p/000001.m4s\n"
    )


def test_nothing_is_listed_before_every_rendition_has_a_segment(station: Station) -> None:
    run = station.open_run(*LADDER)
    run.write(only="720p").write(only="360p")
    assert text(station) is None
    run.write(only="1080p")
    assert numbers(station) == [0]


def test_renditions_show_the_same_segments_though_one_is_ahead(station: Station) -> None:
    run = station.open_run(*LADDER).write(3)
    run.write(2, only="360p")
    assert numbers(station, "360p") == numbers(station, "1080p") == [0, 1, 2]


def test_renditions_agree_on_the_time(station: Station) -> None:
    station.open_run(*LADDER).write(3)
    rfc8216.check_agreement(listed(station, "1080p"), listed(station, "360p"))


def test_the_window_slides(station: Station) -> None:
    run = station.open_run("720p").write(30)
    before = listed(station)
    run.write(12)
    assert numbers(station) == list(range(12, 42))
    rfc8216.check_update(before, listed(station))


def test_a_new_run_continues_the_numbers_after_a_discontinuity(station: Station) -> None:
    station.open_run(*LADDER).write(5)
    station.open_run(*LADDER).write(2)
    found = listed(station)
    assert list(found.numbered()) == list(range(7))
    assert found.tags == (5,)
    assert found.discontinuity_sequence == 0


def test_what_only_some_renditions_had_at_a_crash_is_dropped(station: Station) -> None:
    crashed = station.open_run(*LADDER).write(5)
    crashed.write(1, only="360p")
    station.open_run(*LADDER).write(1)
    uris = [entry.uri for entry in listed(station, "360p").entries]
    assert uris[-1].endswith("/360p/000000.m4s")
    assert len(uris) == 6


def test_a_run_without_a_segment_leaves_no_trace(station: Station) -> None:
    station.open_run(*LADDER).write(5)
    station.open_run(*LADDER)
    station.open_run(*LADDER).write(1, only="360p")
    station.open_run(*LADDER).write(1)
    assert listed(station).tags == (5,)


def test_a_first_run_without_a_segment_makes_no_discontinuity(station: Station) -> None:
    station.open_run(*LADDER)
    station.open_run(*LADDER).write(1)
    found = listed(station)
    assert (found.sequence, found.tags, found.discontinuity_sequence) == (0, (), 0)


def test_segments_stay_listed_while_the_next_run_starts(station: Station) -> None:
    station.open_run(*LADDER).write(5)
    before = listed(station)
    station.open_run(*LADDER)
    assert listed(station) == before


def test_a_stale_writer_adds_nothing(station: Station) -> None:
    stale = station.open_run(*LADDER).write(5)
    station.open_run(*LADDER).write(2)
    before = listed(station)
    stale.write(3)
    assert listed(station) == before


def test_a_run_begun_by_a_stale_holder_cuts_nothing_short(station: Station) -> None:
    """It was about to begin one when it was frozen; meanwhile another has adopted the good one."""
    good = station.open_run(*LADDER, fence=5).write(5)
    run_folder.adopt_run(good.folder, 6)
    station.open_run(*LADDER, fence=5).write(1)
    good.write(3)
    assert numbers(station) == list(range(8))
    before = listed(station)
    station.open_run(*LADDER, fence=6).write(1)
    good.write(4)  # no longer public: the next one began
    assert numbers(station) == list(range(9))
    rfc8216.check_update(before, listed(station))


def test_segments_a_stale_writer_deleted_are_not_listed(station: Station) -> None:
    stale = station.open_run(*LADDER).write(5)
    station.open_run(*LADDER).write(2)
    before = listed(station)
    stale.write(40)
    assert numbers(station) == [5, 6]
    rfc8216.check_update(before, listed(station))


def test_the_discontinuity_is_counted_when_it_leaves_the_window(station: Station) -> None:
    station.open_run("720p").write(5)
    second = station.open_run("720p").write(24)
    seen = []
    for _ in range(4):
        seen.append(listed(station))
        second.write(2)
    for before, after in pairwise(seen):
        rfc8216.check_update(before, after)
    # 29, 31, 33 and 35 segments: the tag at number 5 is still the first line of the last.
    assert [(p.sequence, p.discontinuity_sequence, p.tags) for p in seen] == [
        (0, 0, (5,)), (1, 0, (5,)), (3, 0, (5,)), (5, 0, (5,)),
    ]  # fmt: skip
    assert (listed(station).discontinuity_sequence, listed(station).tags) == (1, ())


def test_a_rendition_that_a_run_lacks_is_played_by_the_next_lower_one(station: Station) -> None:
    station.open_run(*LADDER).write(1)
    station.open_run("720p", "360p").write(1)
    station.open_run("360p").write(1)
    station.open_run("1080p").write(1)
    renditions = [entry.uri.split("/")[1] for entry in listed(station, "720p").entries]
    assert renditions == ["720p", "720p", "360p", "1080p"]
    assert numbers(station, "1080p") == numbers(station, "360p") == [0, 1, 2, 3]


def test_runs_with_other_tracks_are_not_mixed(station: Station) -> None:
    station.open_run("audio").write(5)
    before = listed(station, "audio")
    station.open_run(*LADDER)
    assert listed(station, "audio") == before
    station.open_run(*LADDER).write(2)
    assert numbers(station) == [5, 6]
    rfc8216.check_update(before, listed(station, "audio"))


def test_the_target_duration_never_shrinks(station: Station) -> None:
    run = station.open_run("720p").write(1, duration=8.34)
    assert listed(station).target == 8
    run.write(40, duration=2)
    assert listed(station).target == 8


def test_two_origins_agree_on_the_target_duration(station: Station) -> None:
    run = station.open_run("720p").write(1).write(1, duration=8.0)
    other = Disk(station.root)
    assert listed(station).target == 8
    run.write(40)
    history = other.history(STREAM, BROADCAST)
    assert history is not None
    assert other.target_duration(STREAM, history) == 8


def test_a_long_segment_raises_the_target_duration_of_every_rendition(station: Station) -> None:
    run = station.open_run("720p", "360p")
    run.write(1, only="720p", duration=4.5).write(1, only="360p", duration=4.4)
    assert listed(station, "360p").target == listed(station, "720p").target == 5


def test_the_end_is_said(station: Station) -> None:
    station.open_run("720p").write(3)
    assert not listed(station).ended
    station.end()
    assert listed(station).ended


def test_broken_segments_are_passed_over(station: Station) -> None:
    run = station.open_run("720p").write(8)
    before = listed(station)
    run.write(2)
    for number in (8, 9):
        (run.folder / f"720p/{number:06d}.m4s").write_bytes(b"")
    assert listed(station) == before
    run.write(3)
    assert numbers(station) == [10, 11, 12]
    rfc8216.check_update(before, listed(station))


def test_a_list_that_a_full_disk_left_empty_changes_nothing(station: Station) -> None:
    run = station.open_run("720p").write(8)
    before = listed(station)
    (run.folder / "720p/index.m3u8").write_text("")
    assert listed(station) == before
    run.write(1)
    assert numbers(station) == list(range(9))


@pytest.mark.parametrize("seed", range(12))
def test_any_history_keeps_the_rules(tmp_path: Path, seed: int) -> None:
    """Crashes, restarts, uneven renditions, stale writers and clearing, in random order."""
    chance = random.Random(seed)
    station = Station(tmp_path / "hls")
    writers = [station.open_run(*LADDER).write(1)]
    before = {name: listed(station, name) for name in LADDER}
    for _ in range(60):
        _happen(chance, station, writers)
        after = {name: listed(station, name) for name in LADDER}
        for name in LADDER:
            rfc8216.check_update(before[name], after[name])
            rfc8216.check_agreement(after["1080p"], after[name])
            assert all((station.folder / entry.uri).is_file() for entry in after[name].entries)
        before = after


def _happen(chance: random.Random, station: Station, writers: list[Writer]) -> None:
    what = chance.random()
    if what < 0.12:
        names = sorted(chance.sample(LADDER, chance.randint(1, 3)), key=LADDER.index)
        writers.append(station.open_run(*names))
    elif what < 0.2:
        window = chance.choice([6, 10, playlist.WINDOW])
        collect(station.root, Rule(window=window, spare=chance.choice([0, 3600]), run=-1))
    elif what < 0.3:
        stale = chance.choice(writers)
        if stale.folder.exists():
            stale.write(chance.randint(1, 3))
    elif what < 0.5:
        writers[-1].write(1, only=chance.choice(writers[-1].names))
    else:
        # A rendition is never a whole list behind the others.
        newest = writers[-1]
        for name in newest.names:
            goal = max(map(len, newest.written.values()), default=0) + chance.randint(0, 2)
            missing = goal - len(newest.written.get(name, []))
            newest.write(max(0, missing), only=name, duration=chance.choice([1.9, 2, 2.1]))
