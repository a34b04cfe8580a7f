"""How long the record has answered without a break."""

from streams.steadiness import ENOUGH, SLOW, Steadiness


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched() -> tuple[Steadiness, Clock]:
    clock = Clock()
    record = Steadiness(clock)
    record.failed()
    return record, clock


def answer_for(record: Steadiness, clock: Clock, seconds: float) -> None:
    """Every three seconds, as a foreman asks."""
    until = clock.now + seconds
    while clock.now < until:
        record.answered(clock.now)
        clock.now = min(until, clock.now + 3)
    record.answered(clock.now)


def test_where_nobody_asks_nothing_is_held_back() -> None:
    assert Steadiness().is_enough


def test_it_takes_a_while_from_the_first_answer() -> None:
    record, clock = watched()
    assert not record.is_enough
    answer_for(record, clock, ENOUGH - 0.1)
    assert not record.is_enough
    answer_for(record, clock, 0.1)
    assert record.is_enough


def test_an_error_begins_it_anew() -> None:
    record, clock = watched()
    answer_for(record, clock, 60)
    record.failed()
    answer_for(record, clock, ENOUGH - 0.1)
    assert not record.is_enough


def test_an_answer_that_came_late_begins_it_anew() -> None:
    """A driver waits for a server that is away, and then has an answer and no error."""
    record, clock = watched()
    answer_for(record, clock, 60)
    asked_at = clock.now
    clock.now += SLOW + 10
    record.answered(asked_at)
    assert not record.is_enough


def test_while_the_answer_is_waited_for_it_is_not_enough() -> None:
    record, clock = watched()
    answer_for(record, clock, 60)
    clock.now += ENOUGH
    assert not record.is_enough


def test_nor_does_what_nobody_asked_for_long_count_as_answered() -> None:
    """A round that waited for something else asks nothing while the record is away."""
    record, clock = watched()
    answer_for(record, clock, 60)
    clock.now += ENOUGH + 3
    record.answered(clock.now)
    assert not record.is_enough
