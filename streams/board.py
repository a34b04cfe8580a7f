"""The board: the rows of all broadcasts that one worker drives, looked at together.

A hundred supervisors that each asked the database every second would cost more than all the rest
of their work, and each would hold a connection. So one thread reads for all, renews all leases and
writes down what runs did; a supervisor goes to the database itself only when something changes.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, close_old_connections, connections, transaction
from django.utils import timezone

from streams import lease
from streams.lease import Lease
from streams.models import Broadcast, Run, Stream
from streams.supervisor.roles import LeaseLost, Unavailable

logger = logging.getLogger(__name__)

EVERY = 1.0
STREAMS_EVERY = 5.0
# A look may take a while; older than this, nothing is known any more.
FRESH = 3.0
# A supervisor that has not asked for so long hangs: its lease must not be kept up by the others.
ABSENT_AFTER = 10.0
# How long one waits for the next look; it has an FFmpeg to watch.
PATIENCE = 2.0


@contextmanager
def record() -> Iterator[None]:
    """Turn what a database that is away raises into Unavailable, and keep no connection."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable(str(error)) from error
    finally:
        close_old_connections()


@dataclass(frozen=True)
class Report:
    """Columns of a broadcast's row and of its run's; none: they stay as they are."""

    lease: Lease
    broadcast: dict[str, Any]
    run_id: str
    run: dict[str, Any]


class Board:
    """`clock` in seconds. May be used by many threads; `start` gives it one of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._due = threading.Event()
        self._stopping = False
        self._leases: dict[UUID, Lease] = {}
        self._asked_at: dict[UUID, float] = {}
        self._rows: dict[UUID, Broadcast] = {}
        self._reports: dict[UUID, Report] = {}
        self._streams: dict[UUID, Stream] = {}
        self._outdated_at = self._seen_at = self._renewed_at = self._streams_at = float("-inf")
        self._well_since = clock()  # the record answers, and quickly
        self._away = ""

    def start(self) -> None:
        threading.Thread(target=self._work, name="board", daemon=True).start()

    def stop(self) -> None:
        self._stopping = True
        self._due.set()

    def _work(self) -> None:
        try:
            while not self._stopping:
                self._due.wait(EVERY if self._leases else None)
                self._due.clear()
                if self._leases:
                    self.look()
        finally:
            connections.close_all()

    def add(self, held: Lease) -> None:
        with self._changed:
            self._leases[held.broadcast_id] = held
            self._asked_at[held.broadcast_id] = self._clock()
        self.forget()

    def remove(self, held: Lease) -> None:
        with self._changed:
            if self._leases.get(held.broadcast_id) == held:
                for known in (self._leases, self._asked_at, self._rows, self._reports):
                    known.pop(held.broadcast_id, None)

    def forget(self) -> None:
        """What was read is out of date: the next one who asks waits for a new look."""
        self._outdated_at = self._clock()
        self._due.set()

    def row(self, held: Lease) -> Broadcast:
        """The broadcast as it was lately. Raises LeaseLost or Unavailable."""
        with self._changed:
            if self._leases.get(held.broadcast_id) == held:
                self._asked_at[held.broadcast_id] = self._clock()
            if not self._changed.wait_for(self._is_decided, PATIENCE) or not self._is_known():
                raise Unavailable(self._away or "the database takes its time")
            row = self._rows.get(held.broadcast_id)
        if row is None or (row.holder, row.fence) != (held.holder, held.fence):
            raise LeaseLost
        return row

    def _is_known(self) -> bool:
        return self._seen_at >= self._outdated_at and self._clock() - self._seen_at < FRESH

    def _is_decided(self) -> bool:
        return self._is_known() or bool(self._away)

    def post(self, report: Report) -> None:
        """Written with the next look. A later one of the same broadcast takes its place."""
        key = report.lease.broadcast_id
        with self._changed:
            if self._leases.get(key) == report.lease:
                before = self._reports.get(key)
                if before is not None and before.run_id == report.run_id:
                    report = replace(report, run=before.run | report.run)
                self._reports[key] = report

    def look(self) -> None:
        """Write what was posted, renew the leases, read the rows."""
        with self._changed:
            now, leases, reports = self._clock(), dict(self._leases), self._reports
            self._reports = {}
        try:
            with record():
                if now - self._renewed_at >= lease.RENEW_EVERY:
                    self._renew(leases, now)
                _write(reports.values())
                found = self._read(list(leases), now)
        except Unavailable as error:
            self._say_away(str(error) or "the database is away")
            return
        except Exception:  # all leases of this worker hang on this thread
            logger.exception("a look at the board failed")
            self._say_away("the record cannot be read")
            return
        with self._changed:
            self._rows, self._seen_at, self._away = found, now, ""
            if self._clock() - now > FRESH:
                self._well_since = self._clock()
            self._changed.notify_all()

    def _say_away(self, why: str) -> None:
        with self._changed:
            self._away, self._well_since = why, self._clock()
            self._changed.notify_all()

    def is_absent(self, broadcast_id: UUID) -> bool:
        """Whether the broadcast's supervisor has not asked for long, and not because it waits for
        a record that is away or slow, as all do: its lease is not kept up."""
        with self._changed:
            asked_at = self._asked_at.get(broadcast_id)
            now, since = self._clock(), max(asked_at or 0.0, self._well_since)
            well = now - self._seen_at < FRESH
        return well and asked_at is not None and now - since >= ABSENT_AFTER

    def _read(self, broadcasts: list[UUID], now: float) -> dict[UUID, Broadcast]:
        found = {row.pk: row for row in Broadcast.briefly().filter(pk__in=broadcasts)}
        streams = {row.stream_id for row in found.values()}
        if now - self._streams_at >= STREAMS_EVERY or not streams <= self._streams.keys():
            self._streams, self._streams_at = Stream.objects.in_bulk(streams), now
        # One whose stream was deleted goes with it.
        found = {pk: row for pk, row in found.items() if row.stream_id in self._streams}
        for row in found.values():
            row.stream = self._streams[row.stream_id]
        return found

    def _renew(self, leases: dict[UUID, Lease], now: float) -> None:
        present = [h for pk, h in leases.items() if now - self._asked_at.get(pk, 0) < ABSENT_AFTER]
        # All leases of a worker bear its name; a fence that was raised shows when the row is read.
        for holder in {held.holder for held in present}:
            mine = [held.broadcast_id for held in present if held.holder == holder]
            Broadcast.objects.filter(pk__in=mine, holder=holder, open_key__isnull=False).update(
                lease_until=timezone.now() + lease.TERM
            )
        self._renewed_at = now


def _write(reports: Collection[Report]) -> None:
    if not reports:
        return
    # One transaction for all, for speed only: each of its own would wait for SQLite's disk. On
    # MongoDB it is none, and each of these updates stands for itself.
    with transaction.atomic():
        for report in reports:
            if report.broadcast:
                lease.held(report.lease).update(**report.broadcast)
            if report.run:
                runs = Run.objects.filter(pk=report.run_id, fence=report.lease.fence)
                runs.update(**report.run)
