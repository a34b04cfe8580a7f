"""Several hosts, as docs/deploy.md sets them up: each has its own address and its own disk, and a
viewer watches at an edge that only caches, while hosts and the ways between them are lost."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests import mongod
from tests.acceptance.encoders import encoders
from tests.acceptance.machines import Machine, Service
from tests.acceptance.network import CAN_BE_MADE, Network
from tests.acceptance.playlist import Media, read_master, read_media
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import until
from tests.answer import fetch
from tests.faults.ledger import Entry, Ledger
from tests.faults.player import Losses, Player
from tests.faults.record import MongoRecord, Row

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(480),
    pytest.mark.skipif(
        mongod.ON_MONGODB, reason="it has a MongoDB of its own; the run on SQLite has done it"
    ),
    pytest.mark.skipif(
        not CAN_BE_MADE, reason="network namespaces are made by root, with iproute2"
    ),
]
NAME = "garden"
GRACE = 30
# What the product promises; a lease lasts 15 s.
TAKEN_OVER_WITHIN = 20.0


class Scene:
    """On air, with a viewer's port at the edge."""

    def __init__(self, service: Service, edge: int, rtmp: int, record: MongoRecord) -> None:
        self.service, self.edge, self._record = service, edge, record
        key = service.add_stream(NAME, GRACE)
        self.publisher = Publisher(rtmp, key, size="640x360")
        self.path = ""

    def begin(self) -> "Scene":
        self.publisher.start()
        self.path = until(self._variant, 40, "a master playlist at the edge")
        until(lambda: len(self.playlist().segments) > 4, 40, "five segments at the edge")
        return self

    def _variant(self) -> str:
        path = f"/hls/{NAME}/master.m3u8"
        answer = fetch(self.edge, path)
        found = read_master(answer.text, path) if answer.status == 200 else []
        return found[0].path if found else ""

    def playlist(self) -> Media:
        answer = fetch(self.edge, self.path)
        assert answer.status == 200, f"{answer.status} {answer.text[:200]}"
        return read_media(answer.text, self.path)

    @property
    def row(self) -> Row:
        row = self._record.open_broadcast(NAME)
        assert row is not None, f"the broadcast is over: {self._record.events(NAME)}"
        return row

    def worker(self) -> Machine:
        return until(lambda: self.service.worker_of(self.row), 10, "somebody drives it")

    def await_takeover(self, by: Machine, since: float) -> float:
        """Seconds until the other host holds the lease and its FFmpeg runs."""
        until(
            lambda: self.service.worker_of(self.row) is by and encoders(by.var / "hls"),
            40,
            f"{by.host.name} takes over",
        )
        return time.monotonic() - since

    def await_run_after(self, run: str, since: float) -> float:
        """Seconds until the viewer's playlist has a segment of a newer run."""
        until(lambda: self.playlist().segments[-1].run > run, 40, f"a segment of a run after {run}")
        return time.monotonic() - since

    def await_segments(self, count: int) -> None:
        goal = self.playlist().newest + count
        until(lambda: self.playlist().newest >= goal, 30, f"{count} more segments")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    if not Path(mongod.PROGRAM).is_file():
        pytest.skip("several hosts need MongoDB; ./deploy/app.sh test installs one for tests")
    network = Network()
    service = Service(network)
    try:
        with service.running():
            yield service
        until(lambda: not service.leftovers(), 10, f"nothing is left: {service.leftovers()}")
    finally:
        service.remove()
        network.remove()


@pytest.fixture(scope="module")
def scene(service: Service) -> Iterator[Scene]:
    with ExitStack() as ways:
        edge = ways.enter_context(service.reached(service.edge, 3000))
        rtmp = ways.enter_context(service.reached(service.ingest, 1935))
        database = ways.enter_context(service.database())
        scene = Scene(service, edge, rtmp, MongoRecord(database))
        try:
            yield scene.begin()
        finally:
            scene.publisher.stop()


def since(before: Losses, after: Losses) -> Losses:
    return replace(after, stalled=after.stalled - before.stalled, lost=after.lost - before.lost)


def test_each_host_is_well_and_has_its_own_media(scene: Scene) -> None:
    for machine in scene.service.machines:
        machine.app("status")
    driver = scene.worker()
    folders = [machine for machine in scene.service.machines if list(machine.var.glob("hls/*/*/*"))]
    assert folders == [scene.service.origin, driver] or folders == [driver, scene.service.origin]


def test_of_two_web_processes_one_is_enough(scene: Scene) -> None:
    def streams() -> list[str]:
        answer = fetch(scene.edge, "/api/streams")
        return [s["name"] for s in answer.json["streams"]] if answer.status == 200 else []

    scene.service.web.control("stop", "web")
    try:
        until(lambda: NAME in streams(), 5, "the other one answers")
        assert all(NAME in streams() for _ in range(20))
    finally:
        scene.service.web.control("start", "web")


def test_a_worker_that_is_cut_off_is_replaced_and_stops_when_it_returns(
    scene: Scene, ledger: Ledger
) -> None:
    first = scene.worker()
    second = scene.service.other(first)
    run = scene.playlist().segments[-1].run
    with Player(scene.edge, NAME) as viewer:
        until(lambda: len(viewer.loaded) > 2, 30, "a viewer watches")
        before, began = viewer.losses, time.monotonic()
        first.host.cut_off()
        try:
            taken_over = scene.await_takeover(second, began)
            shown = scene.await_run_after(run, began)
        finally:
            first.host.reconnect()
            returned = time.monotonic()
        until(lambda: not encoders(first.var / "hls"), 30, "the first has no FFmpeg")
        stopped = time.monotonic() - returned
        scene.await_segments(3)
        losses = since(before, viewer.losses)
    remark = (
        f"taken over after {taken_over:.1f} s, the old FFmpeg gone {stopped:.1f} s after return"
    )
    ledger.add(Entry("host of a worker cut off", losses.stalled, losses.lost, shown, remark))
    assert taken_over < TAKEN_OVER_WITHIN
    assert viewer.faults == []
    assert not viewer.ended
    assert scene.worker() is second
    assert len(encoders(second.var / "hls")) == 1


def test_a_worker_without_a_database_adds_nothing_to_what_another_one_makes(
    scene: Scene, ledger: Ledger
) -> None:
    """It still has its publisher and its origin, and its FFmpeg knows nothing of all this."""
    first = scene.worker()
    second = scene.service.other(first)
    run = scene.playlist().segments[-1].run
    with Player(scene.edge, NAME) as viewer:
        until(lambda: len(viewer.loaded) > 2, 30, "a viewer watches")
        before, began = viewer.losses, time.monotonic()
        first.host.lose(scene.service.data)
        try:
            taken_over = scene.await_takeover(second, began)
            assert len(encoders(first.var / "hls")) == 1
            shown = scene.await_run_after(run, began)
            scene.await_segments(2)
            playlist = scene.playlist()
        finally:
            first.host.find(scene.service.data)
            returned = time.monotonic()
        until(lambda: not encoders(first.var / "hls"), 30, "the first has no FFmpeg")
        stopped = time.monotonic() - returned
        scene.await_segments(3)
        losses = since(before, viewer.losses)
    remark = (
        f"taken over after {taken_over:.1f} s, the old FFmpeg gone {stopped:.1f} s after return"
    )
    ledger.add(
        Entry("host of a worker without database", losses.stalled, losses.lost, shown, remark)
    )
    assert viewer.faults == []
    # Just where the other one was: no number is missing, and none was given twice.
    assert [segment.run > run for segment in playlist.segments] == sorted(
        segment.run > run for segment in playlist.segments
    )
    assert any(segment.run == run for segment in playlist.segments)


def test_without_its_origin_an_edge_goes_on_with_what_it_has(scene: Scene) -> None:
    segment = scene.playlist().segments[-2].path
    assert fetch(scene.edge, segment).status == 200
    scene.service.origin.host.cut_off()
    try:
        assert fetch(scene.edge, segment).status == 200
        assert scene.playlist().segments
    finally:
        scene.service.origin.host.reconnect()
    scene.await_segments(3)


def test_the_end_reaches_the_viewer_and_the_disks_of_all(scene: Scene) -> None:
    scene.publisher.stop()
    until(lambda: scene.playlist().ended, GRACE + 20, "the end of the playlist")
    for worker in scene.service.workers:
        until(lambda worker=worker: not encoders(worker.var / "hls"), 10, "no FFmpeg")  # type: ignore[misc]
