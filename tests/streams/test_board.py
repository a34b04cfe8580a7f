"""The board: one look for all, and leases kept up for those who are there."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from streams import lease
from streams.board import ABSENT_AFTER, Board
from streams.lease import Lease
from streams.models import Broadcast, Stream
from streams.supervisor.roles import LeaseLost, Unavailable


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


@pytest.mark.django_db
def test_many_are_read_by_one_query(board: Board, django_assert_num_queries: object) -> None:
    leases = [hold(board, f"stream-{number}") for number in range(5)]
    board.row(leases[0])
    board.forget()
    with django_assert_num_queries(2):  # type: ignore[operator]  # broadcasts and their streams
        rows = [board.row(held) for held in leases]
    assert [row.pk for row in rows] == [held.broadcast_id for held in leases]


@pytest.mark.django_db
def test_it_looks_anew_after_a_second_or_when_told(board: Board, clock: FakeClock) -> None:
    held = hold(board)
    board.row(held)
    Broadcast.objects.update(wanted="off")
    assert board.row(held).wanted == "on"
    clock.now += 1
    assert board.row(held).wanted == "off"
    Broadcast.objects.update(wanted="on")
    board.forget()
    assert board.row(held).wanted == "on"


@pytest.mark.django_db
def test_leases_are_renewed_together(board: Board, clock: FakeClock) -> None:
    first, second = hold(board, "first"), hold(board, "second")
    board.row(first)
    expire(first)
    expire(second)
    clock.now += lease.RENEW_EVERY
    board.row(first)
    assert seconds_left(first) > 10
    assert seconds_left(second) > 10


@pytest.mark.django_db
def test_a_supervisor_that_hangs_loses_its_lease(board: Board, clock: FakeClock) -> None:
    present, hanging = hold(board, "present"), hold(board, "hanging")
    board.row(present)
    expire(hanging)
    clock.now += ABSENT_AFTER
    board.row(present)
    assert seconds_left(present) > 10
    assert seconds_left(hanging) <= 0


@pytest.mark.django_db
def test_a_lease_that_was_taken_is_lost(board: Board, clock: FakeClock) -> None:
    held = hold(board)
    later = timezone.now() + timedelta(minutes=1)
    assert lease.acquire(held.broadcast_id, "another", later) is not None
    with pytest.raises(LeaseLost):
        board.row(held)


@pytest.mark.django_db
def test_a_lease_that_this_worker_took_again_is_lost_to_the_old_supervisor(board: Board) -> None:
    old = hold(board)
    again = lease.acquire(old.broadcast_id, "worker", timezone.now() + timedelta(minutes=1))
    assert again is not None
    board.add(again)
    with pytest.raises(LeaseLost):
        board.row(old)
    board.remove(old)
    assert board.row(again).fence == again.fence


@pytest.mark.django_db
def test_a_broadcast_that_was_deleted_is_lost(board: Board) -> None:
    held = hold(board)
    Broadcast.objects.all().delete()
    with pytest.raises(LeaseLost):
        board.row(held)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_asked_once_a_second(
    board: Board, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, asked = hold(board), []

    def away(*_: object, **__: object) -> None:
        asked.append(clock.now)
        raise DatabaseError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Broadcast.objects, "filter", away)
        for _ in range(5):
            with pytest.raises(Unavailable):
                board.row(held)
    assert len(asked) == 1
    clock.now += 1
    assert board.row(held).pk == held.broadcast_id


@pytest.mark.django_db(transaction=True)
def test_a_hundred_threads_may_ask(board: Board) -> None:
    held, rows = hold(board), []

    def ask() -> None:
        try:
            rows.append(board.row(held))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(rows) == 100
