"""The clock and the buffer of the suite's own player."""

import pytest

from tests.faults.playback import Playback


@pytest.fixture
def playing() -> Playback:
    """Six seconds of media arrived at 100."""
    playback = Playback()
    playback.append(100.0, 6.0)
    return playback


def test_nothing_is_played_and_nothing_stalls_before_the_first_media() -> None:
    playback = Playback()
    playback.advance(100.0)
    assert not playback.begun
    assert (playback.played, playback.stalled) == (0.0, 0.0)


def test_a_second_of_media_lasts_a_second(playing: Playback) -> None:
    playing.advance(104.0)
    assert (playing.played, playing.ahead, playing.stalled) == (4.0, 2.0, 0.0)


def test_an_empty_buffer_is_a_stall_however_seldom_it_is_looked_at(playing: Playback) -> None:
    playing.advance(109.0)
    assert (playing.played, playing.stalled) == (6.0, 3.0)


def test_media_ends_a_stall_and_the_next_one_is_counted_anew(playing: Playback) -> None:
    playing.append(109.0, 2.0)
    playing.advance(112.0)
    assert (playing.stalled, playing.longest_stall) == (4.0, 3.0)


def test_one_stall_seen_in_two_looks_is_one_stall(playing: Playback) -> None:
    playing.advance(108.0)
    playing.advance(110.0)
    assert playing.longest_stall == 4.0


def test_media_that_arrives_in_time_prevents_the_stall(playing: Playback) -> None:
    playing.append(105.0, 2.0)
    playing.advance(108.0)
    assert (playing.stalled, playing.ahead) == (0.0, 0.0)
