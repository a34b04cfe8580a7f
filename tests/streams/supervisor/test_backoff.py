from streams.supervisor.backoff import CAP, Backoff
from streams.supervisor.states import EndReason

CRASH = EndReason.ENCODER_CRASHED


def test_the_first_restart_comes_at_once() -> None:
    assert Backoff(lambda: 1.0).after(CRASH, lived=3.0) == 0.1


def test_it_doubles_up_to_a_cap() -> None:
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.after(CRASH, lived=1.0) for _ in range(9)]
    assert delays == [0.1, 0.5, 1, 2, 4, 8, 16, CAP, CAP]


def test_jitter_takes_away_half_at_most() -> None:
    backoff = Backoff(lambda: 0.0)
    assert [backoff.after(CRASH, lived=1.0) for _ in range(3)] == [0.05, 0.25, 0.5]


def test_a_healthy_minute_forgives() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(6):
        backoff.after(CRASH, lived=1.0)
    assert backoff.after(CRASH, lived=61.0) == 0.1


def test_an_input_that_is_not_ready_is_no_crash() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.after(EndReason.INPUT_NOT_READY, lived=0.1) for _ in range(5)] == [1.0] * 5
    assert backoff.failures == 0


def test_a_source_that_keeps_changing_is_planned_anew_ever_more_slowly() -> None:
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.after(EndReason.REPLANNED, lived=2.0) for _ in range(9)]
    assert delays == [0, 0, 0, 2, 4, 8, 16, CAP, CAP]
    assert backoff.failures == 0
    assert backoff.after(EndReason.REPLANNED, lived=61.0) == 0
