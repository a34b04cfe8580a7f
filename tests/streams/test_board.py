"""The board: one look for all, and leases kept up for those who are there."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from streams import board as board_module
from streams import lease
from streams.board import ABSENT_AFTER, FRESH, Board, Report
from streams.lease import Lease
from streams.models import Broadcast, Run, Stream
from streams.supervisor.roles import LeaseLost, Unavailable

# The board gives connections back, so there is no transaction around a test.
pytestmark = pytest.mark.django_db(transaction=True)


class FakeClock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> Board:
    return Board(clock)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks but the test itself."""
    monkeypatch.setattr(board_module, "PATIENCE", 0.01)


def hold(board: Board, name: str = "one") -> Lease:
    stream = Stream.objects.create(name=name)
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    board.add(held)
    return held


def seconds_left(held: Lease) -> float:
    until = Broadcast.objects.get(pk=held.broadcast_id).lease_until
    return (until - timezone.now()).total_seconds()


def expire(held: Lease) -> None:
    Broadcast.objects.filter(pk=held.broadcast_id).update(lease_until=timezone.now())


def test_many_are_read_by_one_query(board: Board, django_assert_num_queries: Any) -> None:
    leases = [hold(board, f"stream-{number}") for number in range(5)]
    board.look()
    with django_assert_num_queries(1):
        board.look()
    rows = [board.row(held) for held in leases]
    assert [row.pk for row in rows] == [held.broadcast_id for held in leases]


def test_what_is_out_of_date_is_not_told(board: Board, clock: FakeClock, patience: None) -> None:
    held = hold(board)
    with pytest.raises(Unavailable):
        board.row(held)
    board.look()
    assert board.row(held).wanted == "on"
    Broadcast.objects.update(wanted="off")
    clock.now += 0.1
    board.forget()
    with pytest.raises(Unavailable):
        board.row(held)
    board.look()
    assert board.row(held).wanted == "off"


def test_what_was_seen_long_ago_is_not_told(board: Board, clock: FakeClock, patience: None) -> None:
    held = hold(board)
    board.look()
    clock.now += FRESH
    with pytest.raises(Unavailable):
        board.row(held)


def test_leases_are_renewed_together(board: Board, clock: FakeClock) -> None:
    first, second = hold(board, "first"), hold(board, "second")
    board.look()
    expire(first)
    expire(second)
    clock.now += lease.RENEW_EVERY
    board.look()
    assert seconds_left(first) > 10
    assert seconds_left(second) > 10


def test_a_supervisor_that_hangs_loses_its_lease(board: Board, clock: FakeClock) -> None:
    present, hanging = hold(board, "present"), hold(board, "hanging")
    board.look()
    expire(hanging)
    clock.now += ABSENT_AFTER
    board.look()
    assert board.row(present)
    clock.now += lease.RENEW_EVERY
    board.look()
    assert seconds_left(present) > 10
    assert seconds_left(hanging) <= 0


def test_reports_are_written_with_the_next_look(board: Board) -> None:
    held = hold(board)
    run = Run.objects.create(
        broadcast_id=held.broadcast_id, number=1, fence=held.fence, host="here"
    )
    now = timezone.now()
    for fps in (24.0, 25.0):
        board.post(Report(held, {"last_segment_at": now}, run.pk.hex, {"fps": fps}))
    board.look()
    run.refresh_from_db()
    assert run.fps == 25.0
    assert board.row(held).last_segment_at is not None


def test_a_stale_holders_report_changes_nothing(board: Board, clock: FakeClock) -> None:
    held = hold(board)
    run = Run.objects.create(
        broadcast_id=held.broadcast_id, number=1, fence=held.fence + 1, host="here"
    )
    assert lease.acquire(held.broadcast_id, "another", timezone.now() + timedelta(minutes=1))
    board.post(Report(held, {"last_segment_at": timezone.now()}, run.pk.hex, {"fps": 25.0}))
    board.look()
    run.refresh_from_db()
    assert run.fps is None
    assert Broadcast.objects.get().last_segment_at is None


def test_a_lease_that_was_taken_is_lost(board: Board, clock: FakeClock) -> None:
    held = hold(board)
    later = timezone.now() + timedelta(minutes=1)
    assert lease.acquire(held.broadcast_id, "another", later) is not None
    board.look()
    with pytest.raises(LeaseLost):
        board.row(held)


def test_a_lease_that_this_worker_took_again_is_lost_to_the_old_supervisor(board: Board) -> None:
    old = hold(board)
    again = lease.acquire(old.broadcast_id, "worker", timezone.now() + timedelta(minutes=1))
    assert again is not None
    board.add(again)
    board.look()
    with pytest.raises(LeaseLost):
        board.row(old)
    board.remove(old)
    assert board.row(again).fence == again.fence


def test_a_broadcast_that_was_deleted_is_lost(board: Board) -> None:
    held = hold(board)
    Broadcast.objects.all().delete()
    board.look()
    with pytest.raises(LeaseLost):
        board.row(held)


def test_a_database_that_is_away_is_said_at_once(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(board)

    def away(*_: object, **__: object) -> None:
        raise DatabaseError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Broadcast.objects, "filter", away)
        board.look()
    with pytest.raises(Unavailable, match="locked"):
        board.row(held)
    board.look()
    assert board.row(held).pk == held.broadcast_id


def test_its_thread_looks_for_a_hundred_others(clock: FakeClock) -> None:
    board = Board()
    board.start()
    held, rows = hold(board), []
    threads = [threading.Thread(target=lambda: rows.append(board.row(held))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    board.stop()
    assert len(rows) == 100


def test_a_look_that_fails_is_survived(
    board: Board, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All leases of a worker hang on the thread that looks."""
    held = hold(board)

    def fail(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(board, "_read", fail)
        board.look()
        with pytest.raises(Unavailable):
            board.row(held)
    clock.now += 0.1
    board.look()
    assert board.row(held).pk == held.broadcast_id


def test_who_hangs_is_absent_but_not_who_waits_for_the_record(
    board: Board, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(board)
    clock.now += ABSENT_AFTER
    assert not board.is_absent(held.broadcast_id)  # the board itself may wait for the record
    board.look()
    assert board.is_absent(held.broadcast_id)

    def away(*_: object) -> None:
        raise DatabaseError("locked")

    with monkeypatch.context() as locked:
        locked.setattr(board, "_read", away)
        board.look()
    assert not board.is_absent(held.broadcast_id)
    clock.now += ABSENT_AFTER
    board.look()
    assert board.is_absent(held.broadcast_id)
