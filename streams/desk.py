"""The desk: a supervisor's view of its broadcast's row, under its lease."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from streams import events, lease
from streams.ingest import drop_quietly, gone_since, is_missing, mark_gone
from streams.ingest_node import IngestNode, IngestUnreachable
from streams.lease import Lease
from streams.models import Broadcast, Run
from streams.origin import run_folder
from streams.supervisor.roles import LeaseLost, Orders, RunHandle, Unavailable
from streams.supervisor.states import BroadcastState, EndReason, RunState, Wanted

REPORT_EVERY = 3.0


@contextmanager
def record() -> Iterator[None]:
    """Turn what a database that is away raises into Unavailable."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        close_old_connections()
        raise Unavailable(str(error)) from error


class BroadcastDesk:
    """Implements `streams.supervisor.roles.Desk`."""

    def __init__(self, held: Lease, node: IngestNode, root: Path) -> None:
        self._lease = held
        self._node = node
        self._root = root
        self._renewed_at = time.monotonic()
        self._reported_at = 0.0
        self._row: Broadcast | None = None

    def orders(self) -> Orders:
        with record():
            if time.monotonic() - self._renewed_at >= lease.RENEW_EVERY:
                if not lease.renew(self._lease):
                    raise LeaseLost
                self._renewed_at = time.monotonic()
            row = lease.held(self._lease).prefetch_related("stream").first()
            if row is None:
                raise LeaseLost
            self._row = row
            now = timezone.now()
            if row.publisher_gone_at is None and self._vanished(row, now):
                row.publisher_gone_at = gone_since(row, now)
                mark_gone(row, row.publisher_gone_at)
        gone_at = row.publisher_gone_at
        return Orders(
            wanted=Wanted(row.wanted),
            publisher=row.ingest_name if gone_at is None else None,
            publisher_gone_for=(now - gone_at).total_seconds() if gone_at is not None else 0.0,
            grace=float(row.stream.grace_seconds),
            was_live=row.last_segment_at is not None,
        )

    def _vanished(self, row: Broadcast, now: datetime) -> bool:
        """Whether the ingest no longer has the publisher, whatever callbacks said."""
        try:
            return is_missing(row, self._node.publishers(), now)
        except IngestUnreachable:
            return False

    def report(self, state: BroadcastState, run: RunHandle | None) -> None:
        row = self._loaded()
        changed = row.state != state
        if not changed and time.monotonic() - self._reported_at < REPORT_EVERY:
            return
        columns: dict[str, object] = {"state": state}
        if run is not None:
            newest = run_folder.newest_segment_at(run.folder)
            if newest is not None:
                columns["last_segment_at"] = datetime.fromtimestamp(newest, UTC)
        with record():
            self._update(**columns)
            if run is not None and run.progress is not None:
                Run.objects.filter(pk=run.run_id).update(
                    state=RunState.RUNNING, fps=run.progress.fps, speed=run.meter.speed
                )
        self._reported_at = time.monotonic()
        if changed:
            row.state = state
            events.publish_state(row.stream)

    def run_ended(self, run: RunHandle, reason: EndReason, exit_code: int | None, log: str) -> None:
        with record():
            Run.objects.filter(pk=run.run_id).update(
                state=RunState.ENDED,
                ended_at=timezone.now(),
                end_reason=reason,
                exit_code=exit_code,
                log_tail=log,
            )

    def refuse_copy(self) -> None:
        with record():
            self._update(copy_refused=True)

    def end(self, reason: EndReason, note: str = "") -> bool:
        """Close the row first: it is the record; the folder can be closed again from it."""
        row = self._loaded()
        now = timezone.now()
        with record():
            still = lease.held(self._lease).filter(wanted=row.wanted)
            if reason is not EndReason.REQUESTED:  # it is about this publisher, not its successor
                still = still.filter(ingest_name=row.ingest_name)
            if reason is EndReason.PUBLISHER_GONE:
                still = still.filter(publisher_gone_at__isnull=False)
            closed = still.update(
                **Broadcast.closing(reason, now), end_note=note, holder="", lease_until=now
            )
        if closed != 1:
            return False
        drop_quietly(self._node, row.ingest_name)
        run_folder.end_broadcast(self._root, row.stream.name, row.pk.hex, now)
        events.publish_state(row.stream)
        return True

    def release(self) -> None:
        with record():
            lease.release(self._lease)

    def still_ours(self, run: RunHandle) -> bool:
        with record():
            # Whoever adopted it raised its fence. A run without a row belongs to a stream that was
            # deleted: nobody else will stop it.
            adopted = Run.objects.filter(pk=run.run_id).exclude(fence=self._lease.fence)
            return not adopted.exists()

    def _loaded(self) -> Broadcast:
        if self._row is None:
            raise Unavailable("the broadcast was never read")
        return self._row

    def _update(self, **columns: object) -> None:
        if lease.held(self._lease).update(**columns) != 1:
            raise LeaseLost
