"""The crew drives what it takes: once, until it is told to stop. The FFmpeg is a stand-in."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from streams import board, studio
from streams.crew import Crew
from streams.desk import BroadcastDesk
from streams.ingest_node import IngestNode
from streams.ingest_nodes import IngestNodes
from streams.models import Broadcast, Event, Run, Stream
from streams.supervisor.process import Process, find_runs
from streams.supervisor.roles import Orders, Output, RunHandle
from streams.supervisor.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is a process that only sleeps: there is no ingest to pull from here."""

    def start(self: studio.BroadcastStudio, ingest_name: str, node: str) -> RunHandle:
        row = Broadcast.objects.get(pk=self._lease.broadcast_id)
        run = Run.objects.create(
            broadcast=row, number=Run.objects.filter(broadcast=row).count() + 1,
            fence=self._lease.fence, host=studio.HOST, ingest_name=ingest_name,
        )  # fmt: skip
        folder = self._root / run.pk.hex
        folder.mkdir()
        (folder / "run.json").write_text('{"renditions": []}')
        Run.objects.filter(pk=run.pk).update(folder=folder.name)
        run.folder = folder.name
        process = Process.spawn(
            ["sleep", "60"], run_id=run.pk.hex, root=self._root, log=folder / "ffmpeg.log"
        )
        return self._handle(run, process)

    monkeypatch.setattr(studio.BroadcastStudio, "start", start)


@pytest.fixture
def crews(tmp_path: Path) -> Iterator[Callable[[], Crew]]:
    made: list[Crew] = []

    def make(most: int = 100) -> Crew:
        made.append(Crew(IngestNodes(IngestNode("unix:/nowhere"), "local"), tmp_path, most))
        return made[-1]

    yield make
    for crew in made:
        crew.stop()
        assert crew.wait(10)
    for found in find_runs(tmp_path):
        Process(found.pid).put_down(0)


def add(name: str = "") -> Broadcast:
    stream = Stream.objects.create(name=name or f"s-{uuid4().hex}")
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="in", ingest_since=timezone.now()
    )


def until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def live(root: Path) -> list[str]:
    return sorted(found.run_id for found in find_runs(root))


def test_what_it_takes_it_drives(crews: Callable[[], Crew], tmp_path: Path) -> None:
    crew, broadcast = crews(), add()
    assert crew.take(broadcast.pk)
    until(lambda: live(tmp_path), "a run")
    broadcast.refresh_from_db()
    assert (broadcast.holder, crew.driven) == (crew.name, 1)
    until(lambda: Event.objects.filter(kind="run_started").exists(), "a line on the timeline")


def test_a_task_that_comes_twice_starts_one_run(crews: Callable[[], Crew], tmp_path: Path) -> None:
    crew, other, broadcast = crews(), crews(), add()
    assert crew.take(broadcast.pk)
    assert crew.take(broadcast.pk)
    assert not other.take(broadcast.pk)
    until(lambda: live(tmp_path), "a run")
    assert Run.objects.count() == 1


def test_it_hands_over_and_the_next_one_adopts(crews: Callable[[], Crew], tmp_path: Path) -> None:
    crew, broadcast = crews(), add()
    crew.take(broadcast.pk)
    before = until(lambda: live(tmp_path), "a run")
    crew.stop()
    assert crew.wait(10)
    broadcast.refresh_from_db()
    assert broadcast.holder == ""
    successor = crews()
    assert successor.take(broadcast.pk)
    until(lambda: Event.objects.filter(kind="adopted").exists(), "the adoption")
    assert live(tmp_path) == before
    assert Run.objects.get().fence == 2


def test_a_crew_that_stops_takes_nothing(crews: Callable[[], Crew]) -> None:
    crew, broadcast = crews(), add()
    crew.stop()
    assert not crew.take(broadcast.pk)


def test_it_takes_no_more_than_it_may(crews: Callable[..., Crew]) -> None:
    crew, first, second = crews(1), add(), add()
    assert crew.take(first.pk)
    assert not crew.take(second.pk)
    assert not crew.take(second.pk)
    assert Event.objects.filter(broadcast=second, kind="no_room").count() == 1


def test_a_supervisor_that_fails_gives_the_lease_back(
    crews: Callable[[], Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(studio.BroadcastStudio, "adopt", fail)
    crew, broadcast = crews(), add()
    assert crew.take(broadcast.pk)
    until(lambda: crew.driven == 0, "the supervisor has gone")
    broadcast.refresh_from_db()
    assert broadcast.holder == ""


def test_a_stop_by_hand_is_carried_out_and_the_broadcast_closed(
    crews: Callable[[], Crew], tmp_path: Path
) -> None:
    crew, broadcast = crews(), add()
    crew.take(broadcast.pk)
    until(lambda: live(tmp_path), "a run")
    Broadcast.objects.update(wanted="off")
    assert crew.take(broadcast.pk)  # wakes it
    until(lambda: Broadcast.objects.get().open_key is None, "the end")
    assert live(tmp_path) == []
    assert Run.objects.get().state == RunState.ENDED
    assert Event.objects.filter(kind="ended").exists()


def test_a_supervisor_that_hangs_is_replaced_and_its_ffmpeg_goes_on(
    crews: Callable[[], Crew], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew, broadcast = crews(), add()
    hang, hangs = threading.Event(), threading.Event()

    def orders(self: BroadcastDesk, output: Output | None = None) -> Orders:
        if self._lease.fence == 1 and live(tmp_path):
            hangs.set()
            hang.wait(30)
        return told(self, output)

    told = BroadcastDesk.orders
    monkeypatch.setattr(BroadcastDesk, "orders", orders)
    monkeypatch.setattr(board, "ABSENT_AFTER", 0.5)
    try:
        crew.take(broadcast.pk)
        before = until(lambda: live(tmp_path), "a run")
        assert hangs.wait(10)
        Broadcast.objects.update(lease_until=timezone.now())
        until(lambda: crew.take(broadcast.pk) and fence(broadcast) == 2, "another supervisor")
        until(lambda: Event.objects.filter(kind="adopted").exists(), "the adoption")
    finally:
        hang.set()
    # The first one finds that its lease is lost, and that its run was adopted.
    until(lambda: len(crew._threads) == 1, "the first supervisor has gone")
    assert live(tmp_path) == before
    assert crew.driven == 1


def fence(broadcast: Broadcast) -> int:
    broadcast.refresh_from_db()
    return broadcast.fence


def test_without_a_thread_left_the_lease_is_given_back(
    crews: Callable[[], Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    crew, broadcast = crews(), add()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", fail)
        assert not crew.take(broadcast.pk)
    broadcast.refresh_from_db()
    assert (broadcast.holder, crew.driven) == ("", 0)
    assert crew.take(broadcast.pk)
