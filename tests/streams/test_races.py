"""State changes that many want at the same moment: one gets it, whichever the database is."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from django.db import connections
from django.utils import timezone

from streams import ingest, lease
from streams.board import Board
from streams.desk import BroadcastDesk
from streams.ingest_node import IngestNode
from streams.ingest_nodes import IngestNodes
from streams.lease import Lease
from streams.models import Broadcast, Event, LadderProfile, LadderRendition, Stream, StreamKey
from streams.models.stream_key import ROTATION_OVERLAP
from streams.supervisor.states import BroadcastState, EndReason, Wanted

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 16
NOWHERE = IngestNodes(IngestNode("unix:/none"), "local")
T = TypeVar("T")


def race(action: Callable[[int], T]) -> list[T]:
    """What each of them got."""
    got: list[T] = []
    failures: list[BaseException] = []
    ready = threading.Barrier(CROWD)

    def run(number: int) -> None:
        try:
            ready.wait(10)
            got.append(action(number))
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    return got


def publisher(number: int) -> ingest.Ingest:
    return ingest.Ingest("local", f"publisher-{number}", str(number), "203.0.113.9")


def admit(stream: Stream) -> list[Broadcast]:
    now = timezone.now()
    found = race(lambda number: ingest.admit(stream, publisher(number), NOWHERE, now))
    return [broadcast for broadcast in found if broadcast is not None]


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="first", ingest_since=timezone.now()
    )


def test_one_worker_gets_the_lease_of_each_broadcast() -> None:
    rows = []
    for number in range(10):
        stream = Stream.objects.create(name=f"s{number}")
        rows.append(Broadcast.objects.create(stream=stream, open_key=stream.pk))

    def take(number: int) -> list[Lease]:
        held = [lease.acquire(row.pk, f"worker-{number}") for row in rows]
        return [found for found in held if found is not None]

    won = [held for mine in race(take) for held in mine]
    assert sorted(held.broadcast_id for held in won) == sorted(row.pk for row in rows)
    for held in won:
        row = Broadcast.objects.get(pk=held.broadcast_id)
        assert (row.holder, row.fence) == (held.holder, 1)


def test_one_publisher_opens_the_broadcast(stream: Stream) -> None:
    won = admit(stream)
    assert len(won) == 1
    assert Broadcast.objects.get().ingest_name == won[0].ingest_name


def test_one_publisher_opens_a_refused_broadcast_again(
    stream: Stream, broadcast: Broadcast
) -> None:
    Broadcast.objects.update(
        open_key=None, state=BroadcastState.FAILED, ended_at=timezone.now(), renditions=[]
    )
    assert admit(stream) == [broadcast]
    assert Broadcast.objects.get().open_key == stream.pk


def test_each_takeover_replaces_one_publisher(stream: Stream, broadcast: Broadcast) -> None:
    """Five times at most one loses against another; whoever gets in replaced the one before."""
    Stream.objects.update(takeover=True)
    stream.refresh_from_db()
    won = admit(stream)
    assert won
    assert set(won) == {broadcast}
    assert Event.objects.filter(kind="taken_over").count() == len(won)
    assert Broadcast.objects.get().ingest_name.startswith("publisher-")


def test_a_publisher_leaves_once(broadcast: Broadcast) -> None:
    start = timezone.now()
    marked = race(
        lambda number: ingest.mark_gone(broadcast, start + timedelta(milliseconds=number))
    )
    assert marked.count(True) == 1
    assert Event.objects.count() == 1


def test_a_broadcast_ends_once(broadcast: Broadcast, tmp_path: Path) -> None:
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    Broadcast.objects.update(wanted=Wanted.OFF)

    def end(number: int) -> bool:
        desk = BroadcastDesk(held, Board(), NOWHERE, tmp_path)
        desk._row = Broadcast.objects.prefetch_related("stream").get(pk=broadcast.pk)
        if desk._row.open_key is None:  # it came too late to try
            return False
        return desk.end(EndReason.REQUESTED)

    assert race(end).count(True) == 1
    row = Broadcast.objects.get()
    assert (row.open_key, row.state, row.holder) == (None, BroadcastState.ENDED, "")


def test_a_broadcast_that_nobody_drives_is_closed_by_one_publisher(
    stream: Stream, broadcast: Broadcast
) -> None:
    then = timezone.now() - timedelta(hours=1)
    Broadcast.objects.update(publisher_gone_at=then, started_at=then, lease_until=then)
    won = admit(stream)
    assert len(won) == 1
    assert won[0] != broadcast
    assert Broadcast.objects.filter(open_key=stream.pk).count() == 1
    assert Broadcast.objects.count() == 2


def test_every_rotation_gives_a_key_that_works(stream: Stream) -> None:
    old = StreamKey.issue(stream)
    keys = race(lambda number: StreamKey.rotate(stream))
    now, later = timezone.now(), timezone.now() + 2 * ROTATION_OVERLAP
    assert all(StreamKey.find(key, now) for key in (old, *keys))
    assert any(StreamKey.find(key, later) for key in keys)
    assert StreamKey.find(old, later) is None


def test_the_default_profile_is_made_once_and_whole() -> None:
    profiles = race(lambda number: LadderProfile.default())
    assert set(profiles) == {LadderProfile.objects.get()}
    assert all(len(profile.rungs()) == 4 for profile in profiles)
    assert LadderRendition.objects.count() == 4
