"""The timeline keeps its lines until the database takes them."""

import pytest
from django.db import DatabaseError

from streams.models import Broadcast, Event, Stream
from streams.supervisor.states import EventKind
from streams.timeline import MOST_KEPT, Journal


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


def kinds() -> list[str]:
    return [event.kind for event in Event.objects.all()]


def test_lines_are_written_in_their_order(broadcast: Broadcast) -> None:
    journal = Journal(broadcast.pk)
    journal.add(EventKind.RUN_STARTED, "720p", 1)
    journal.add(EventKind.LIVE)
    journal.flush()
    journal.flush()
    assert kinds() == ["run_started", "live"]


def test_what_a_database_refused_is_written_later(
    broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(broadcast.pk)
    journal.add(EventKind.STALLED)
    with monkeypatch.context() as patch:
        patch.setattr(Event, "save", _refuse)
        with pytest.raises(DatabaseError):
            journal.flush()
    journal.flush()
    assert kinds() == ["stalled"]


def _refuse(event: Event, force_insert: bool) -> None:
    raise DatabaseError("away")


def test_the_oldest_go_when_it_is_away_for_long(broadcast: Broadcast) -> None:
    journal = Journal(broadcast.pk)
    for number in range(MOST_KEPT + 1):
        journal.add(EventKind.RUN_ENDED, "x" * 300, number)
    journal.flush()
    assert Event.objects.count() == MOST_KEPT
    assert Event.objects.order_by("run_number").first().run_number == 1  # type: ignore[union-attr]
