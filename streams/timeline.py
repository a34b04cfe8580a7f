"""The timeline: what happened to a broadcast and when, kept until the record can take it."""

from collections import deque
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone

from streams.models import Event
from streams.once import insert_once
from streams.supervisor.states import EventKind

# A record that is away for hours must not fill the memory; the oldest go first.
MOST_KEPT = 500
LONGEST_TEXT = 255


def note(
    broadcast_id: UUID,
    kind: EventKind,
    text: str = "",
    *,
    run_number: int | None = None,
    at: datetime | None = None,
) -> None:
    """Write one line at once. Raises what the database raises."""
    insert_once(_event(broadcast_id, kind, text, run_number, at))


class Journal:
    """The lines of one broadcast's supervisor. They wait here while the database is away."""

    def __init__(self, broadcast_id: UUID) -> None:
        self._broadcast_id = broadcast_id
        self._waiting: deque[Event] = deque(maxlen=MOST_KEPT)

    def add(self, kind: EventKind, text: str = "", run_number: int | None = None) -> None:
        self._waiting.append(_event(self._broadcast_id, kind, text, run_number, None))

    def flush(self) -> None:
        """Write what waits, oldest first. Raises what the database raises, and loses nothing."""
        while self._waiting:
            # One that is refused is there already, or belongs to what was deleted.
            with suppress(IntegrityError):
                insert_once(self._waiting[0])
            self._waiting.popleft()


def _event(
    broadcast_id: UUID, kind: EventKind, text: str, run_number: int | None, at: datetime | None
) -> Event:
    return Event(
        broadcast_id=broadcast_id,
        at=at or timezone.now(),
        kind=kind,
        text=text[:LONGEST_TEXT],
        run_number=run_number,
    )
