"""The board: the rows of all broadcasts that one worker drives, looked at together.

A hundred supervisors that each asked the database every second would cost more than all the rest
of their work; so the first one to find the board old reads it anew for all, and renews all leases.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from streams import lease
from streams.lease import Lease
from streams.models import Broadcast
from streams.supervisor.roles import LeaseLost, Unavailable

FRESH = 0.9
# A supervisor that has not asked for so long hangs: its lease must not be kept up by the others.
ABSENT_AFTER = 10.0
# One of them may sit out a database's time-out; the others have FFmpegs to watch.
PATIENCE = 2.0


@contextmanager
def record() -> Iterator[None]:
    """Turn what a database that is away raises into Unavailable."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        close_old_connections()
        raise Unavailable(str(error)) from error


class Board:
    """`clock` in seconds. May be used by many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._leases: dict[UUID, Lease] = {}
        self._asked_at: dict[UUID, float] = {}
        self._rows: dict[UUID, Broadcast] = {}
        self._looked_at = float("-inf")
        self._renewed_at = float("-inf")
        self._away: Unavailable | None = None

    def add(self, held: Lease) -> None:
        with self._lock:
            self._leases[held.broadcast_id] = held
            self._asked_at[held.broadcast_id] = self._clock()
            self._looked_at = float("-inf")

    def remove(self, held: Lease) -> None:
        with self._lock:
            if self._leases.get(held.broadcast_id) == held:
                del self._leases[held.broadcast_id], self._asked_at[held.broadcast_id]
                self._rows.pop(held.broadcast_id, None)

    def forget(self) -> None:
        """What was read is out of date: the next one who asks reads anew. Never waits."""
        self._looked_at = float("-inf")

    def row(self, held: Lease) -> Broadcast:
        """The broadcast as it was within the last second. Raises LeaseLost or Unavailable."""
        if not self._lock.acquire(timeout=PATIENCE):
            raise Unavailable("the database takes its time")
        try:
            now = self._clock()
            self._asked_at[held.broadcast_id] = now
            if now - self._looked_at >= FRESH:
                self._look(now)
            if self._away is not None:
                raise Unavailable(str(self._away))
            row = self._rows.get(held.broadcast_id)
        finally:
            self._lock.release()
        if row is None or (row.holder, row.fence) != (held.holder, held.fence):
            raise LeaseLost
        return row

    def _look(self, now: float) -> None:
        self._looked_at = now
        try:
            with record():
                if now - self._renewed_at >= lease.RENEW_EVERY:
                    self._renew(now)
                rows = Broadcast.objects.filter(pk__in=list(self._leases))
                self._rows = {row.pk: row for row in rows.prefetch_related("stream")}
            self._away = None
        except Unavailable as error:
            # Asking may have taken a time-out; the others need not wait for another one.
            self._looked_at = self._clock()
            self._away = error

    def _renew(self, now: float) -> None:
        present = [h for pk, h in self._leases.items() if now - self._asked_at[pk] < ABSENT_AFTER]
        # All leases of a worker bear its name; a fence that was raised shows when the row is read.
        for holder in {held.holder for held in present}:
            mine = [held.broadcast_id for held in present if held.holder == holder]
            Broadcast.objects.filter(pk__in=mine, holder=holder, open_key__isnull=False).update(
                lease_until=timezone.now() + lease.TERM
            )
        self._renewed_at = now
