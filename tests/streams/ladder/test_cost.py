import pytest

from streams.ladder import cost
from streams.ladder.renditions import choose
from streams.ladder.rungs import DEFAULT_RUNGS
from streams.ladder.source import Audio, Source, Video

AAC = Audio("aac", 48_000, 2)


def of(width: int, height: int, fps: float | None = 30, *, allow_copy: bool = True) -> float:
    source = Source(Video("h264", width, height, fps), AAC)
    return cost.of(source, choose(source, DEFAULT_RUNGS, allow_copy=allow_copy))


def test_a_full_hd_ladder_takes_about_one_core() -> None:
    assert of(1920, 1080) == pytest.approx(1.0, abs=0.25)


def test_a_copy_costs_next_to_nothing() -> None:
    assert of(640, 360) < 0.05


def test_a_sound_alone_costs_next_to_nothing() -> None:
    source = Source(None, Audio("mp3", 44_100, 2))
    assert cost.of(source, choose(source, DEFAULT_RUNGS, allow_copy=True)) < 0.05


def test_twice_the_frames_cost_nearly_twice_as_much() -> None:
    assert of(1920, 1080, 60) == pytest.approx(2 * of(1920, 1080), rel=0.1)


def test_an_encoded_top_costs_as_much_as_all_that_is_below_it() -> None:
    assert of(1920, 1080, allow_copy=False) == pytest.approx(2 * of(1920, 1080), rel=0.1)


def test_an_unknown_frame_rate_counts_as_a_usual_one() -> None:
    assert of(1920, 1080, None) == of(1920, 1080)


def test_a_host_that_is_twice_as_slow_is_learned() -> None:
    factor = 1.0
    for _ in range(200):
        factor = cost.learn(factor, reckoned=3.0, measured=6.0)
    assert factor == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(("reckoned", "measured"), [(0.0, 1.0), (1.0, 1.0)])
def test_nothing_new_changes_nothing(reckoned: float, measured: float) -> None:
    assert cost.learn(1.0, reckoned, measured) == 1.0


def test_one_wild_figure_does_not_spoil_the_factor() -> None:
    assert cost.learn(1.0, reckoned=0.01, measured=50.0) < 1.25
