"""The desk: a supervisor's view of its broadcast's row, under its lease."""

import contextlib
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from streams import broadcast_folder, events, lease
from streams.board import Board, Report, record
from streams.ingest import (
    drop_quietly,
    gone_since,
    is_gone_in_the_future,
    is_missing,
    is_there_after_all,
    mark_back,
    mark_gone,
    mark_gone_anew,
)
from streams.ingest_node import IngestUnreachable
from streams.ingest_nodes import IngestNodes
from streams.lease import Lease
from streams.models import Broadcast, Run
from streams.once import update_once
from streams.supervisor.ending import farewell
from streams.supervisor.roles import (
    Advice,
    Ending,
    LeaseLost,
    Orders,
    Output,
    RunHandle,
    Unavailable,
)
from streams.supervisor.states import BroadcastState, EndReason, EventKind, RunState, Wanted
from streams.timeline import Journal

logger = logging.getLogger(__name__)

# Seconds: the newest segment, by which others judge, and a run's pace, which people read.
REPORT_EVERY = 5.0
PACE_EVERY = 10.0
STATES_TOLD = {
    BroadcastState.LIVE: (EventKind.LIVE, "Viewers can watch."),
}


class BroadcastDesk:
    """Implements `streams.supervisor.roles.Desk`."""

    def __init__(self, held: Lease, board: Board, nodes: IngestNodes, root: Path) -> None:
        self._lease = held
        self._board = board
        self._nodes = nodes
        self._root = root
        self._journal = Journal(held.broadcast_id)
        self._reported_at = self._paced_at = float("-inf")
        self._paced: tuple[object, ...] = ()
        self._row: Broadcast | None = None
        self._findings: list[dict[str, str]] | None = None  # yet to be written

    def orders(self, output: Output | None = None) -> Orders:
        row = self._row = self._board.row(self._lease)
        now = timezone.now()
        with record():
            self._journal.flush()
            self._look_for_publisher(row, now, output)
        gone_at = row.publisher_gone_at
        return Orders(
            wanted=Wanted(row.wanted),
            publisher=row.ingest_name if gone_at is None else None,
            publisher_gone_for=(now - gone_at).total_seconds() if gone_at is not None else 0.0,
            grace=float(row.stream.grace_seconds),
            was_live=row.last_segment_at is not None,
            crashes=row.crashes,
            gave_up=bool(row.gave_up_on) and row.gave_up_on == row.ingest_name,
            # A ladder without encoded renditions is tried anew like one that lacks some.
            shed=max(row.shed, int(row.copy_only)),
            node=row.ingest_node,
        )

    def _look_for_publisher(self, row: Broadcast, now: datetime, output: Output | None) -> None:
        """Whether the ingest has the publisher, whatever callbacks said. The row may know of no
        segment since the record was away; what is on the disk is newer."""
        try:
            publishers = self._nodes.named(row.ingest_node).publishers()
        except IngestUnreachable:
            publishers = None
        segment = _seen(output).get("last_segment_at")
        if is_missing(row, publishers, now, segment):
            since = gone_since(row, now, segment)
            if mark_gone(row, since):
                row.publisher_gone_at = since
        elif publishers is not None and is_there_after_all(row, publishers, now):
            if mark_back(row):
                row.publisher_gone_at = None
        elif is_gone_in_the_future(row, now) and mark_gone_anew(row, now):
            row.publisher_gone_at = now

    def report(self, state: BroadcastState, run: RunHandle | None, output: Output | None) -> None:
        row = self._loaded()
        changed = row.state != state
        if changed or self._findings is not None:
            findings = {"findings": self._findings} if self._findings is not None else {}
            with record():
                self._update(state=state, **findings, **_seen(output))
            self._findings = None
        if changed:
            if state in STATES_TOLD:
                self.tell(*STATES_TOLD[state], run.number if run is not None else None)
            events.publish_state(row.stream)
        if run is not None and time.monotonic() - self._reported_at >= REPORT_EVERY:
            self._reported_at = time.monotonic()
            pace = _pace(run, output) if self._is_pace_due(run, output) else {}
            self._board.post(Report(self._lease, _seen(output), run.run_id, pace))

    def _is_pace_due(self, run: RunHandle, output: Output | None) -> bool:
        """Also as soon as there is more to say of it. Writing rows is most of a worker's work."""
        now, delivers = time.monotonic(), output is not None and output.segments > 0
        known = (run.run_id, delivers, run.progress is None, run.cpu.cores is None)
        due = known != self._paced or now - self._paced_at >= PACE_EVERY
        if due:
            self._paced, self._paced_at = known, now
        return due

    def run_ended(self, run: RunHandle, ending: Ending) -> None:
        with record():
            Run.objects.filter(pk=run.run_id, fence=self._lease.fence).update(
                **Run.closing(ending.reason, timezone.now()),
                exit_code=ending.exit_code,
                log_tail=ending.log,
            )
            self._update(crashes=ending.crashes)
        self.tell(EventKind.RUN_ENDED, ending.text, run.number)

    def crashed(self, crashes: int) -> None:
        with record():
            self._update(crashes=crashes)

    def plan(self, *, refuse_copy: bool, shed: int) -> None:
        row = self._loaded()
        with record():
            self._update(copy_refused=refuse_copy or row.copy_refused, shed=max(0, row.shed + shed))

    def advise(self, advice: Sequence[Advice], run_number: int) -> None:
        known = {finding["code"] for finding in self._loaded().findings}
        for found in advice:
            if found.code not in known:
                self.tell(EventKind.ADVICE, found.text, run_number)
        self._findings = [
            {"code": found.code, "advice": found.text, "severity": found.severity}
            for found in advice
        ]

    def give_up(self, note: str) -> None:
        row = self._loaded()
        with record():
            self._update(gave_up_on=row.ingest_name, end_note=note[:255])
        self.tell(EventKind.FAILED, note)

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
            columns = row.closing(reason, now) | ({"end_note": note[:255]} if note else {})
            fenced = Broadcast.objects.filter(pk=row.pk, fence=self._lease.fence)
            closed = update_once(
                still,
                fenced.filter(open_key=None, ended_at=now),
                **columns,
                holder="",
                lease_until=now,
            )
        if not closed:
            self._board.forget()
            return False
        drop_quietly(self._nodes.named(row.ingest_node), row.ingest_name)
        try:
            broadcast_folder.end(self._root, row, self._lease.fence, now)
        except OSError as error:  # a full disk; it is closed from the record later
            logger.warning("the folder of %s is not closed yet: %s", row.stream.name, error)
        self._settle_quietly(row, now)
        self.tell(EventKind.ENDED, note or farewell(reason))
        self._flush_quietly()
        events.publish_state(row.stream)
        return True

    def tell(self, kind: EventKind, text: str = "", run_number: int | None = None) -> None:
        self._journal.add(kind, text, run_number)

    def release(self) -> None:
        self._flush_quietly()
        with record():
            if not lease.release(self._lease):
                raise LeaseLost

    def _settle_quietly(self, row: Broadcast, now: datetime) -> None:
        """Runs that no holder lived to close."""
        with contextlib.suppress(Unavailable), record():
            Run.settle(row, EndReason.LOST, now)

    def _flush_quietly(self) -> None:
        """The last chance of what waits; the record may be away, and then these lines are lost."""
        try:
            with record():
                self._journal.flush()
        except Unavailable:
            pass

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

    def _update(self, **columns: Any) -> None:
        """Also what was read: the board may be asked again before it is read anew."""
        if lease.held(self._lease).update(**columns) != 1:
            raise LeaseLost
        for name, value in columns.items():
            setattr(self._loaded(), name, value)


def _seen(output: Output | None) -> dict[str, Any]:
    """Columns of the broadcast: what its run has delivered."""
    if output is None or output.newest_at is None:
        return {}
    return {"last_segment_at": datetime.fromtimestamp(output.newest_at, UTC)}


def _pace(run: RunHandle, output: Output | None) -> dict[str, Any]:
    """Columns of the run."""
    columns: dict[str, Any] = {"segments": output.segments if output is not None else 0}
    if run.progress is not None:
        columns |= {"state": RunState.RUNNING, "fps": run.progress.fps, "speed": run.meter.speed}
    # Until it is measured, what was reckoned stands there.
    return columns | ({"cpu": run.cpu.cores} if run.cpu.cores is not None else {})
