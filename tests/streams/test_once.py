"""Writes whose answer was lost: they count once. It is the real server that fails here."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError
from django.utils import timezone

from chat.models import Message
from streams import ingest, lease
from streams.ingest_node import IngestNode
from streams.ingest_nodes import IngestNodes
from streams.models import Broadcast, Event, Stream, StreamKey
from streams.once import insert_once, update_once
from streams.supervisor.states import BroadcastState, EndReason, EventKind
from streams.timeline import Journal
from tests import mongod

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not mongod.ON_MONGODB, reason="SQLite tells for certain; TEST_DB=mongo runs it"
    ),
]
# What a primary says that has written, but does not hear whether the others have.
NOT_CONFIRMED = {"code": 64, "errmsg": "waiting for replication timed out"}

Failure = Callable[[str], AbstractContextManager[None]]

NOWHERE = IngestNodes(IngestNode("unix:/none"), "local")


def carried_out(command: str) -> AbstractContextManager[None]:
    return mongod.failing(command, writeConcernError=NOT_CONFIRMED)


def never_arrived(command: str) -> AbstractContextManager[None]:
    return mongod.failing(command, closeConnection=True)


both = pytest.mark.parametrize("failure", [carried_out, never_arrived])


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk, ingest_name="before")


def publisher(name: str = "after") -> ingest.Ingest:
    return ingest.Ingest("local", name, "1", "203.0.113.9")


def kinds() -> list[str]:
    return list(Event.objects.order_by("at").values_list("kind", flat=True))


def test_without_the_second_try_the_failure_would_be_seen(broadcast: Broadcast) -> None:
    with carried_out("update"), pytest.raises(DatabaseError):
        Broadcast.objects.update(fence=7)
    assert Broadcast.objects.get().fence == 7
    with never_arrived("update"), pytest.raises(DatabaseError):
        Broadcast.objects.update(fence=8)
    assert Broadcast.objects.get().fence == 7


@both
def test_a_lease_is_taken_once(broadcast: Broadcast, failure: Failure) -> None:
    with failure("update"):
        held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    row = Broadcast.objects.get()
    assert (row.holder, row.fence) == (held.holder, held.fence) == ("worker", 1)


def test_what_another_did_meanwhile_is_not_ours(broadcast: Broadcast) -> None:
    Broadcast.objects.update(holder="another")
    free, ours = Broadcast.objects.filter(holder=""), Broadcast.objects.filter(holder="worker")
    with never_arrived("update"):
        assert not update_once(free, ours, holder="worker")
    assert Broadcast.objects.get().holder == "another"


@both
def test_a_publisher_opens_one_broadcast(stream: Stream, failure: Failure) -> None:
    with failure("insert"):
        opened = ingest.admit(stream, publisher(), NOWHERE, timezone.now())
    assert opened is not None
    assert Broadcast.objects.get().ingest_name == "after"
    assert kinds() == ["published"]


@both
def test_a_publisher_that_returns_is_let_in_once(
    stream: Stream, broadcast: Broadcast, failure: Failure
) -> None:
    Broadcast.objects.update(publisher_gone_at=timezone.now())
    with failure("update"):
        found = ingest.admit(stream, publisher(), NOWHERE, timezone.now())
    assert found == broadcast
    assert Broadcast.objects.get().ingest_name == "after"
    assert kinds() == ["reconnected"]


@both
def test_a_refused_broadcast_is_opened_again_once(
    stream: Stream, broadcast: Broadcast, failure: Failure
) -> None:
    Broadcast.objects.update(
        open_key=None, state=BroadcastState.FAILED, ended_at=timezone.now(), renditions=[]
    )
    with failure("update"):
        found = ingest.admit(stream, publisher(), NOWHERE, timezone.now())
    assert found == broadcast
    assert Broadcast.objects.get().open_key == stream.pk


@both
def test_a_publisher_leaves_once(broadcast: Broadcast, failure: Failure) -> None:
    with failure("update"):
        assert ingest.mark_gone(broadcast, timezone.now())
    assert Broadcast.objects.get().publisher_gone_at is not None
    assert kinds() == ["publisher_left"]


@both
def test_a_broadcast_that_nobody_drives_is_closed_once(
    stream: Stream, broadcast: Broadcast, failure: Failure
) -> None:
    then = timezone.now() - timedelta(hours=1)
    Broadcast.objects.update(publisher_gone_at=then, started_at=then, lease_until=then)
    with failure("update"):
        found = ingest.admit(stream, publisher(), NOWHERE, timezone.now())
    assert found is not None
    assert found != broadcast
    assert Broadcast.objects.get(pk=broadcast.pk).end_reason == EndReason.PUBLISHER_GONE


@both
def test_what_was_said_is_stored_once(stream: Stream, failure: Failure) -> None:
    with failure("insert"):
        insert_once(Message(stream=stream, name="bob", text="hello"))
    assert Message.objects.get().text == "hello"


@both
def test_a_key_is_issued_once(stream: Stream, failure: Failure) -> None:
    with failure("insert"):
        key = StreamKey.issue(stream)
    assert StreamKey.find(key, timezone.now()) == StreamKey.objects.get()


@both
def test_a_line_of_the_timeline_is_written_once(broadcast: Broadcast, failure: Failure) -> None:
    journal = Journal(broadcast.pk)
    journal.add(EventKind.LIVE)
    with failure("insert"):
        journal.flush()
    journal.flush()
    assert kinds() == ["live"]


def test_a_line_that_was_written_in_a_round_before_does_not_hold_up_the_rest(
    broadcast: Broadcast,
) -> None:
    journal = Journal(broadcast.pk)
    journal.add(EventKind.LIVE)
    journal.add(EventKind.STALLED)
    first = journal._waiting[0]
    Event(pk=first.pk, broadcast=broadcast, kind=first.kind).save(force_insert=True)
    journal.flush()
    assert sorted(kinds()) == ["live", "stalled"]


def test_a_value_that_is_taken_is_still_refused(stream: Stream) -> None:
    with never_arrived("insert"), pytest.raises(IntegrityError):
        insert_once(Stream(name=stream.name))
