"""What a supervisor writes down of its run, and how often."""

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from streams import desk as desk_module
from streams import lease
from streams.board import Board
from streams.desk import BroadcastDesk
from streams.ingest_node import IngestNode
from streams.ingest_nodes import IngestNodes
from streams.models import Broadcast, Event, Run, Stream
from streams.supervisor.process import Process
from streams.supervisor.progress import Progress
from streams.supervisor.roles import Output, RunHandle
from streams.supervisor.states import BroadcastState, EventKind

pytestmark = pytest.mark.django_db(transaction=True)

OUTPUT = Output(1, timezone.now().timestamp(), 0.0, 2.0, gone=False)


@pytest.fixture
def nodes() -> IngestNodes:
    """Of which the only one does not answer."""
    return IngestNodes(IngestNode("unix:/nowhere"), "local")


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def held(stream: Stream, board: Board) -> lease.Lease:
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    board.add(held)
    return held


@pytest.fixture
def run(held: lease.Lease, tmp_path: Path) -> RunHandle:
    row = Run.objects.create(
        broadcast_id=held.broadcast_id, number=1, fence=held.fence, host="here"
    )
    return RunHandle(row.pk.hex, Process.__new__(Process), tmp_path, "in", copies=True, began=0.0)


@pytest.fixture
def desk(
    held: lease.Lease,
    board: Board,
    nodes: IngestNodes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> BroadcastDesk:
    monkeypatch.setattr(desk_module, "REPORT_EVERY", 0.0)
    board.look()
    desk = BroadcastDesk(held, board, nodes, tmp_path)
    desk.orders()
    return desk


def told(desk: BroadcastDesk, board: Board, run: RunHandle, output: Output = OUTPUT) -> Run:
    desk.report(BroadcastState.LIVE, run, output)
    board.look()
    return Run.objects.get()


def test_a_run_is_running_as_soon_as_it_is_seen_to(
    desk: BroadcastDesk, board: Board, run: RunHandle
) -> None:
    assert told(desk, board, run).state == "starting"
    run.progress = Progress(out_time=1.0, fps=25.0, ended=False)
    assert told(desk, board, run).state == "running"


def test_its_pace_is_written_seldom_and_its_newest_segment_always(
    desk: BroadcastDesk, board: Board, run: RunHandle
) -> None:
    run.progress = Progress(out_time=1.0, fps=25.0, ended=False)
    assert told(desk, board, run).segments == 1
    at = timezone.now().timestamp() + 5
    later = dataclasses.replace(OUTPUT, segments=2, newest_at=at)
    assert told(desk, board, run, later).segments == 1
    newest = Broadcast.objects.get().last_segment_at
    assert newest is not None
    assert newest.timestamp() == pytest.approx(at, abs=0.002)


def test_what_it_is_measured_to_use_counts_at_once(
    desk: BroadcastDesk, board: Board, run: RunHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next broadcast's admission reckons with it."""
    told(desk, board, run)
    for second in range(0, 25, 4):
        run.cpu._meter.add(float(second), 1.0 + second / 2)
    assert told(desk, board, run).cpu == pytest.approx(0.5)


@pytest.fixture
def empty_ingest(nodes: IngestNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes.local, "_get", lambda path: b"<rtmp></rtmp>")
    nodes.local.forget()  # that it did not answer


def publisher_gone_at(desk: BroadcastDesk, board: Board, output: Output | None) -> datetime:
    board.look()
    desk.orders(output)
    gone_at = Broadcast.objects.get().publisher_gone_at
    assert gone_at is not None
    return gone_at


def long_ago() -> datetime:
    then = timezone.now().replace(microsecond=0) - timedelta(hours=8)
    Broadcast.objects.update(started_at=then, ingest_since=then, last_segment_at=then)
    return then


def test_a_publisher_missed_late_is_dated_from_the_last_segment(
    desk: BroadcastDesk, board: Board, empty_ingest: None
) -> None:
    """The machine was off."""
    then = long_ago()
    assert publisher_gone_at(desk, board, None) == then
    assert Event.objects.filter(kind=EventKind.PUBLISHER_LEFT).exists()


def test_the_segments_that_are_there_count_and_not_what_the_row_last_heard(
    desk: BroadcastDesk, board: Board, empty_ingest: None
) -> None:
    """The record was away for hours, and the publisher drops as it comes back."""
    long_ago()
    newest = dataclasses.replace(OUTPUT, newest_at=timezone.now().timestamp() - 20)
    gone_for = timezone.now() - publisher_gone_at(desk, board, newest)
    assert timedelta(seconds=19) < gone_for < timedelta(seconds=40)


@pytest.mark.parametrize(("seconds", "missed"), [(30, False), (90, True)])
def test_a_publisher_of_an_ingest_that_stays_lost_counts_as_gone(
    desk: BroadcastDesk, board: Board, seconds: float, missed: bool
) -> None:
    then = long_ago()
    newest = (timezone.now() - timedelta(seconds=seconds)).timestamp()
    board.look()
    desk.orders(dataclasses.replace(OUTPUT, newest_at=newest))
    gone_at = Broadcast.objects.get().publisher_gone_at
    assert (gone_at is not None) is missed
    assert gone_at is None or gone_at > then
