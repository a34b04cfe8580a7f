"""The account that the suite's own player keeps of its playlists."""

from datetime import UTC, datetime, timedelta

from tests.acceptance.playlist import Media, Segment
from tests.faults.viewing import Viewing

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def segment(number: int, run: str = "0001-aa", late: float = 0.0, cut: bool = False) -> Segment:
    at = NOON + timedelta(seconds=2 * number + late)
    path = f"/hls/me/b/{run}/360p/{number:06d}.m4s"
    return Segment(number, path, "init", cut, 2.0, at)


def playlist(*segments: Segment, cuts: int = 0, ended: bool = False) -> Media:
    return Media(segments[0].number, cuts, list(segments), ended, 2)


def window(first: int, last: int) -> Media:
    return playlist(*(segment(number) for number in range(first, last + 1)))


def numbers(segments: list[Segment]) -> list[int]:
    return [segment.number for segment in segments]


def test_a_player_begins_three_target_durations_behind_the_edge() -> None:
    assert numbers(Viewing().see(window(0, 9))) == [7, 8, 9]


def test_a_short_playlist_is_played_from_its_begin() -> None:
    assert numbers(Viewing().see(window(0, 1))) == [0, 1]


def test_a_reload_brings_only_what_is_new() -> None:
    viewing = Viewing()
    viewing.see(window(0, 9))
    assert numbers(viewing.see(window(1, 11))) == [10, 11]
    assert viewing.see(window(1, 11)) == []


def test_sequence_numbers_that_go_back_are_noticed() -> None:
    viewing = Viewing()
    viewing.see(playlist(segment(5), segment(6), cuts=2))
    viewing.see(playlist(segment(4), segment(5), cuts=1))
    assert viewing.regressions == [
        "MEDIA-SEQUENCE 5 -> 4",
        "DISCONTINUITY-SEQUENCE 2 -> 1",
        "newest segment 6 -> 5",
    ]


def test_a_number_that_names_another_segment_is_noticed() -> None:
    viewing = Viewing()
    viewing.see(window(0, 3))
    viewing.see(playlist(*(segment(n) for n in range(3)), segment(3, run="0002-bb")))
    assert len(viewing.rewritten) == 1


def test_time_that_no_segment_holds_is_lost() -> None:
    viewing = Viewing()
    viewing.see(window(0, 3))
    after = segment(4, run="0002-bb", late=3.5, cut=True)
    viewing.see(playlist(*(segment(number) for number in range(4)), after))
    assert (viewing.lost, viewing.discontinuities) == (3.5, 1)


def test_milliseconds_between_segments_are_no_loss() -> None:
    viewing = Viewing()
    viewing.see(window(0, 3))
    viewing.see(playlist(*(segment(number) for number in range(4)), segment(4, late=0.1)))
    assert viewing.lost == 0.0


def test_who_fell_out_of_the_window_goes_on_at_the_edge_and_has_lost_what_lies_between() -> None:
    viewing = Viewing()
    viewing.see(window(0, 3))
    assert numbers(viewing.see(window(20, 29))) == [27, 28, 29]
    assert viewing.lost == 2.0 * (27 - 4)
