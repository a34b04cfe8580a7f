"""What the studio makes of a publisher, on a host with room and on a full one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streams import capacity, identity, lease
from streams.ladder import cost
from streams.ladder.renditions import choose
from streams.ladder.rungs import DEFAULT_RUNGS
from streams.ladder.source import Audio, Source, Video
from streams.ladder.stat import Publisher
from streams.models import Broadcast, Event, Run, Stream
from streams.studio import BroadcastStudio
from streams.supervisor.ending import explain
from streams.supervisor.roles import LeaseLost, RunHandle
from streams.supervisor.states import EndReason

# The studio gives connections back, so there is no transaction around a test.
pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], RunHandle]
FULL_HD = Source(Video("h264", 1920, 1080, 30), Audio("aac", 48_000, 2))


class FakeNode:
    """One publisher; `sends` None: it has not begun to send."""

    sends: Source | None = FULL_HD

    def pull(self, name: str) -> str:
        return f"rtmp://127.0.0.1/live/{name}"

    def publishers(self) -> dict[str, Publisher]:
        return {
            "in": Publisher("in", "1", "127.0.0.1", self.sends is not None, 1, 9000, 0, self.sends)
        }


class FakeNodes:
    def __init__(self) -> None:
        self.local = FakeNode()

    def named(self, name: str) -> FakeNode:
        return self.local


@pytest.fixture(autouse=True)
def _ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    """One that only sleeps, on a host of eight cores."""
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("streams.supervisor.isolation.usable_cores", lambda: 8.0)
    settings.CPU_SHARE = 1.0


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="in", ingest_since=timezone.now()
    )


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def studio(broadcast: Broadcast, node: FakeNode, tmp_path: Path) -> BroadcastStudio:
    held = lease.acquire(broadcast.pk, identity.make())
    assert held is not None
    nodes = FakeNodes()
    nodes.local = node
    return BroadcastStudio(held, nodes, tmp_path / "hls")  # type: ignore[arg-type]


@pytest.fixture
def start(studio: BroadcastStudio) -> Iterator[Callable[[], RunHandle]]:
    runs: list[RunHandle] = []

    def begin() -> RunHandle:
        run = studio.start("in", "local")
        assert run is not None
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if not run.process.exited:
            run.process.put_down(0)


def end(run: RunHandle) -> None:
    run.process.put_down(0)
    Run.objects.filter(pk=run.run_id).update(state="ended")


def fill_this_host(broadcast: Broadcast) -> Run:
    others = Broadcast.objects.create(stream=broadcast.stream, open_key=uuid4())
    return Run.objects.create(broadcast=others, number=1, fence=1, host=identity.HOST, cpu=7.9)


def test_a_run_counts_with_what_was_reckoned_until_it_is_measured(start: Start) -> None:
    run = start()
    assert run.ladder == "1080p, 720p, 480p, 360p"
    ladder = choose(FULL_HD, DEFAULT_RUNGS, allow_copy=True)
    assert capacity.load().used == pytest.approx(cost.of(FULL_HD, ladder))


def test_a_full_host_passes_the_source_on_and_says_why(broadcast: Broadcast, start: Start) -> None:
    fill_this_host(broadcast)
    assert start().ladder == "1080p"
    broadcast.refresh_from_db()
    assert broadcast.copy_only
    assert "No host has room" in broadcast.ladder_note
    assert [event.kind for event in Event.objects.all()] == ["no_room"]


def test_it_says_so_once_and_not_with_every_run(broadcast: Broadcast, start: Start) -> None:
    fill_this_host(broadcast)
    end(start())
    end(start())
    assert Event.objects.count() == 1


def test_a_hundred_broadcasts_on_a_full_host_do_not_reckon_it_up_every_second(
    broadcast: Broadcast, studio: BroadcastStudio, start: Start
) -> None:
    fill_this_host(broadcast)
    run = start()
    with CaptureQueriesContext(connection) as asked:
        assert [studio.has_room(run) for _ in range(5)] == [False] * 5
    assert len(asked) <= 5  # once, and what a new connection asks


def test_once_there_is_room_the_next_run_has_the_whole_ladder(
    broadcast: Broadcast, studio: BroadcastStudio, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.studio.ROOM_EVERY", 0.0)
    other = fill_this_host(broadcast)
    run = start()
    assert not studio.has_room(run)
    other.delete()
    fill_this_host(broadcast).delete()
    assert studio.has_room(run)
    end(run)
    assert start().ladder == "1080p, 720p, 480p, 360p"
    broadcast.refresh_from_db()
    assert (broadcast.copy_only, broadcast.ladder_note) == (False, "")


SMALL = Source(Video("h264", 640, 360, 25), Audio("aac", 48_000, 2))
HD = Source(Video("h264", 1280, 720, 25), Audio("aac", 48_000, 2))


def test_a_small_source_keeps_the_run_that_a_full_host_began_before_it_was_known(
    broadcast: Broadcast, node: FakeNode, studio: BroadcastStudio, start: Start
) -> None:
    """Another would miss the first key frame. Nothing is missing of so small a ladder."""
    fill_this_host(broadcast)
    node.sends = None
    run = start()
    assert "no_room" not in Event.objects.values_list("kind", flat=True)
    node.sends = SMALL
    seen = studio.input(run)
    assert seen is not None
    assert not seen.changed
    broadcast.refresh_from_db()
    assert (broadcast.copy_only, broadcast.ladder_note) == (False, "")
    assert Event.objects.count() == 0
    (known,) = json.loads((run.folder / "run.json").read_text())["renditions"]
    assert (known["height"], known["fps"]) == (360, 25)
    assert Run.objects.get(pk=run.run_id).cpu == pytest.approx(cost.COPY)


@pytest.mark.parametrize("sent", [FULL_HD, HD])
def test_a_source_that_has_no_room_either_keeps_it_too_and_the_reason_is_given_then(
    broadcast: Broadcast, node: FakeNode, studio: BroadcastStudio, start: Start, sent: Source
) -> None:
    fill_this_host(broadcast)
    node.sends = None
    run = start()
    node.sends = sent
    seen = studio.input(run)
    assert seen is not None
    assert not seen.changed
    broadcast.refresh_from_db()
    assert broadcast.copy_only
    assert "No host has room" in broadcast.ladder_note
    assert [event.kind for event in Event.objects.all()] == ["no_room"]
    assert not studio.has_room(run)
    studio.input(run)
    assert Event.objects.count() == 1


def begun_in_a_gap(broadcast: Broadcast, node: FakeNode, start: Start) -> RunHandle:
    """Before its source is known, on a host with room for some ladder, but not for the guess's."""
    Run.objects.filter(pk=fill_this_host(broadcast).pk).update(cpu=7.3)
    node.sends = None
    return start()


def test_a_source_that_has_room_after_all_gets_its_ladder(
    broadcast: Broadcast, node: FakeNode, studio: BroadcastStudio, start: Start
) -> None:
    run = begun_in_a_gap(broadcast, node, start)
    assert run.ladder == "1080p"
    node.sends = HD
    seen = studio.input(run)
    assert seen is not None
    assert seen.changed
    end(run)
    assert start().ladder == "720p, 480p, 360p"
    assert Event.objects.count() == 0


def test_a_run_counts_with_what_its_source_costs_once_that_is_known(
    node: FakeNode, studio: BroadcastStudio, start: Start
) -> None:
    node.sends = None
    run = start()
    assert capacity.load().used > 0.9
    node.sends = SMALL
    studio.input(run)
    assert capacity.load().used < 0.3


def test_what_was_shed_is_left_out(broadcast: Broadcast, start: Start) -> None:
    Broadcast.objects.update(shed=2)
    assert start().ladder == "1080p, 360p"
    broadcast.refresh_from_db()
    assert "too slow" in broadcast.ladder_note


def test_a_run_without_an_ffmpeg_leaves_no_open_row(
    studio: BroadcastStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would count as load, and its broadcast as one that has a run."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OSError, match="ffmpeg"):
        studio.start("in", "local")
    run = Run.objects.get()
    assert (run.state, run.end_reason) == ("ended", "encoder_crashed")
    assert "ffmpeg" in run.log_tail
    assert capacity.load().used == 0.0


def test_a_row_that_was_left_open_is_closed_by_the_next_start(
    broadcast: Broadcast, start: Start
) -> None:
    left = Run.objects.create(broadcast=broadcast, number=1, fence=1, host=identity.HOST, cpu=3.0)
    run = start()
    left.refresh_from_db()
    assert (left.state, left.end_reason, run.number) == ("ended", "lost", 2)


def test_a_run_that_was_lost_is_told_of_with_its_last_words(
    broadcast: Broadcast, studio: BroadcastStudio, start: Start
) -> None:
    run = start()
    (run.folder / "ffmpeg.log").write_text("last words")
    run.process.put_down(0)
    assert studio.adopt() is None
    lost = Run.objects.get()
    assert (lost.state, lost.end_reason, lost.log_tail) == ("ended", "lost", "last words")
    event = Event.objects.get(kind="run_ended")
    assert (event.run_number, event.text) == (1, explain(EndReason.LOST, ""))


def test_a_run_that_ended_while_nobody_watched_has_the_reason_it_left(
    studio: BroadcastStudio, start: Start
) -> None:
    run = start()
    (run.folder / "ffmpeg.log").write_text("av_interleaved_write_frame(): No space left on device")
    run.process.put_down(0)
    studio.adopt()
    assert Run.objects.get().end_reason == "disk_full"


def test_a_host_that_was_renamed_adopts_what_it_started_before(
    studio: BroadcastStudio, start: Start
) -> None:
    run = start()
    Run.objects.update(host="former-name")
    adopted = studio.adopt()
    assert adopted is not None
    assert (adopted.process.pid, Run.objects.get().host) == (run.process.pid, identity.HOST)
    adopted.process.leave()


def test_one_that_was_given_room_has_claimed_it(
    broadcast: Broadcast, node: FakeNode, studio: BroadcastStudio, start: Start
) -> None:
    """A hundred that become known in the same moment must not all see the same gap."""
    run = begun_in_a_gap(broadcast, node, start)
    node.sends = HD
    studio.input(run)
    ladder = choose(HD, DEFAULT_RUNGS, allow_copy=True)
    assert capacity.load().used == pytest.approx(7.3 + cost.of(HD, ladder))


def successor(broadcast: Broadcast, root: Path) -> BroadcastStudio:
    """Another worker's, once the lease has run out."""
    Broadcast.objects.update(lease_until=timezone.now())
    held = lease.acquire(broadcast.pk, identity.make())
    assert held is not None
    return BroadcastStudio(held, FakeNodes(), root)  # type: ignore[arg-type]


def test_a_stale_holder_adopts_nothing_of_its_successors(
    broadcast: Broadcast, studio: BroadcastStudio, start: Start, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(lease, "RENEW_EVERY", -1.0)  # it took long to come here
    run = start()
    later = successor(broadcast, tmp_path / "hls")
    adopted = later.adopt()
    assert adopted is not None
    for attempt in (studio.adopt, lambda: studio.start("in", "local")):
        with pytest.raises(LeaseLost):
            attempt()
    row = Run.objects.get()
    assert (row.fence, row.state) == (2, "starting")
    assert not run.process.exited
    adopted.process.leave()


def test_a_stale_holder_that_was_already_past_its_check_takes_nothing_over(
    broadcast: Broadcast, studio: BroadcastStudio, start: Start, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Frozen right after it had renewed its lease; now it believes that it has it."""
    run = start()
    adopted = successor(broadcast, tmp_path / "hls").adopt()
    assert adopted is not None
    monkeypatch.setattr(lease, "renew", lambda held: True)
    assert studio.adopt() is None
    started = studio.start("in", "local")
    assert started is not None
    started.process.put_down(0)
    row = Run.objects.get(pk=run.run_id)
    assert (row.fence, row.state) == (2, "starting")
    assert not run.process.exited
    # What it began after that does not count: the good run's folder has a later fence.
    fences = [
        json.loads((folder / "run.json").read_text())["fence"]
        for folder in (run.folder, started.folder)
    ]
    assert fences == [2, 1]
    adopted.process.leave()
