"""Advice about a source: written to the broadcast, told once, and taken with a real ffprobe."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError

from streams import desk as desk_module
from streams import lease
from streams.board import Board
from streams.desk import BroadcastDesk
from streams.ingest_node import IngestNode
from streams.ingest_nodes import IngestNodes
from streams.ladder import sampler
from streams.ladder.source import Source, Video
from streams.models import Broadcast, Event, Stream
from streams.studio import BroadcastStudio
from streams.supervisor.process import Process
from streams.supervisor.roles import Advice, RunHandle, Unavailable
from streams.supervisor.states import BroadcastState, EventKind

NOWHERE = IngestNodes(IngestNode("unix:/nowhere"), "local")
FAR = Advice("key_frames_far_apart", "Set Keyframe Interval to 2 s.", "warning")
MUTE = Advice("no_audio", "No sound arrives.", "warning")


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held(stream: Stream) -> lease.Lease:
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    return held


@pytest.fixture
def desk(held: lease.Lease, tmp_path: Path) -> BroadcastDesk:
    board = Board()
    board.add(held)
    board.look()
    desk = BroadcastDesk(held, board, NOWHERE, tmp_path)
    desk.orders()
    return desk


def told() -> list[str]:
    return [event.text for event in Event.objects.filter(kind=EventKind.ADVICE)]


def round_of(desk: BroadcastDesk, *advice: Advice) -> None:
    desk.advise(advice, 1)
    desk.report(BroadcastState.STARTING, None, None)
    desk.orders()


def test_advice_is_on_the_broadcast_and_told_once(desk: BroadcastDesk) -> None:
    round_of(desk, FAR)
    round_of(desk, FAR, MUTE)
    codes = [finding["code"] for finding in Broadcast.objects.get().findings]
    assert codes == [FAR.code, MUTE.code]
    assert told() == [FAR.text, MUTE.text]


def test_what_was_mended_is_no_longer_on_the_broadcast(desk: BroadcastDesk) -> None:
    round_of(desk, FAR)
    round_of(desk)
    assert Broadcast.objects.get().findings == []


@pytest.mark.django_db(transaction=True)
def test_advice_waits_while_the_record_is_away(
    desk: BroadcastDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as away:
        away.setattr(desk_module.lease, "held", fails)
        desk.advise([FAR], 1)
        with pytest.raises(Unavailable):
            desk.report(BroadcastState.STARTING, None, None)
    desk.report(BroadcastState.STARTING, None, None)
    assert Broadcast.objects.get().findings[0]["code"] == FAR.code


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunHandle]:
    """A minute old, of a publisher whose stream is a file."""
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=30",
         "-t", "6", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "250", "-bf", "0",
         str(tmp_path / "in-1.flv")], check=True,
    )  # fmt: skip
    process = Process.spawn(["sleep", "60"], run_id="1", root=tmp_path, log=tmp_path / "log")
    yield RunHandle("1", process, tmp_path, "in-1.flv", True, time.monotonic() - 60)
    process.put_down(0)


def test_a_studio_looks_at_its_publisher_without_waiting(
    held: lease.Lease, run: RunHandle, tmp_path: Path
) -> None:
    nodes = IngestNodes(IngestNode("unix:/nowhere", pull_url=str(tmp_path)), "local")
    studio = BroadcastStudio(held, nodes, tmp_path)
    studio._source.now = Source(Video("h264", 64, 36, 30.0), None)
    advice, deadline = studio.advice(run), time.monotonic() + 15
    assert advice is None
    while advice is None and time.monotonic() < deadline:
        time.sleep(0.02)
        advice = studio.advice(run)
    assert advice is not None
    assert {FAR.code, MUTE.code} <= {found.code for found in advice}
    assert studio.advice(run) is None


def test_a_studio_that_closes_leaves_no_ffprobe_behind(
    held: lease.Lease, run: RunHandle, tmp_path: Path
) -> None:
    nodes = IngestNodes(IngestNode("unix:/nowhere", pull_url=str(tmp_path)), "local")
    studio = BroadcastStudio(held, nodes, tmp_path)
    studio._source.now = Source(Video("h264", 64, 36, 30.0), None)
    studio.advice(run)
    at_work = studio._inspector._sampler
    assert isinstance(at_work, sampler.Sampler)
    studio.close()
    assert at_work._child.poll() is not None
