"""Several hosts, as docs/deploy.md sets them up: each has its own address and its own disk, and a
viewer watches at an edge that only caches, while hosts and the ways between them are lost."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import mongod
from tests.acceptance.encoders import encoders
from tests.acceptance.machines import Machine, Service
from tests.acceptance.network import CAN_BE_MADE, Host, Network
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

    def __init__(
        self,
        service: Service,
        edge: int,
        origin: int,
        web: int,
        rtmp: list[int],
        record: MongoRecord,
    ) -> None:
        self.service, self._record = service, record
        self.edge, self.origin, self.web = edge, origin, web
        key = service.add_stream(NAME, GRACE)
        # One for each ingest.
        self._publishers = [Publisher(port, key, size="640x360") for port in rtmp]
        self.publisher = self._publishers[0]
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

    def is_leased(self) -> bool:
        runs_out: datetime = self.row["lease_until"]
        return runs_out > datetime.now(UTC).replace(tzinfo=None)

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

    def publish_at(self, number: int) -> None:
        """The streamer's encoder goes on at this ingest."""
        self.publisher.stop()
        self.publisher = self._publishers[number].start()

    def seconds_pass(self, count: int) -> None:
        """By the edge's clock, by which its playlists run out."""
        seen: set[str] = set()

        def look() -> bool:
            seen.add(fetch(self.edge, "/rtmp").headers["Date"])
            return len(seen) > count

        until(look, count + 5, f"{count} seconds")

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
        origin = ways.enter_context(service.reached(service.origin, 3000))
        web = ways.enter_context(service.reached(service.web, 9000))
        rtmp = [
            ways.enter_context(service.reached(ingest, 1935))
            for ingest in (service.ingest, service.ingest2)
        ]
        database = ways.enter_context(service.database())
        scene = Scene(service, edge, origin, web, rtmp, MongoRecord(database))
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


@contextmanager
def viewer_of(scene: Scene) -> Iterator[Player]:
    """One who has begun to watch, and to whom nothing may happen that a page cannot bear."""
    with Player(scene.edge, NAME) as viewer:
        until(lambda: len(viewer.loaded) > 2, 30, "a viewer watches")
        yield viewer
    assert viewer.faults == []
    assert not viewer.ended


def failing(scene: Scene) -> list[str]:
    found: list[str] = fetch(scene.web, "/health").json["failing"]
    return found


def test_health_knows_the_origin_s_disk_and_who_cannot_deliver_to_it(scene: Scene) -> None:
    """The worker goes on: its database, its ingest and its FFmpeg are all there."""
    with scene.service.database() as database:
        until(
            lambda: database.streams_origin.find_one({"name": {"$regex": "^origin-"}}),
            10,
            "its keeper tells",
        )
    worker, origin = scene.worker(), scene.service.origin
    run = scene.playlist().segments[-1].run
    assert failing(scene) == []
    with viewer_of(scene):
        worker.host.lose(origin.host)
        try:
            until(lambda: failing(scene) == ["delivery"], 40, "health names what is not well")
            assert scene.worker() is worker
            # As it says.
            began = time.monotonic()
            worker.app("stop")
            scene.await_takeover(scene.service.other(worker), began)
            scene.await_run_after(run, began)
        finally:
            worker.host.find(origin.host)
            worker.app("start")
        until(lambda: failing(scene) == [], 60, "all is well again")
        scene.await_segments(2)


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


def test_a_lost_web_costs_neither_viewers_nor_publishers(scene: Scene) -> None:
    web = scene.service.web.host
    with viewer_of(scene) as viewer:
        before = viewer.losses
        web.cut_off()
        try:
            until(lambda: fetch(scene.edge, "/api/streams").status == 200, 10, "the API")
            # An encoder that comes back has its hook answered by the other one.
            scene.publish_at(0)
            until(lambda: scene.row["publisher_gone_at"] is None, 10, "the publisher is back")
            scene.await_segments(3)
        finally:
            web.reconnect()
        assert since(before, viewer.losses).stalled < 10


@dataclass
class Replacement:
    """Of the worker that drove the broadcast; `run`: the last one of its own that was shown."""

    first: Machine
    second: Machine
    run: str
    taken_over: float = 0.0
    shown: float = 0.0
    stopped: float = 0.0

    @contextmanager
    def lost(
        self, scene: Scene, lose: Callable[[Host], None], find: Callable[[Host], None]
    ) -> Iterator[None]:
        """Until another one has its place; found again after the block."""
        began = time.monotonic()
        lose(self.first.host)
        try:
            self.taken_over = scene.await_takeover(self.second, began)
            self.shown = scene.await_run_after(self.run, began)
            yield
        finally:
            find(self.first.host)
            returned = time.monotonic()
        until(lambda: not encoders(self.first.var / "hls"), 30, "the first has no FFmpeg")
        self.stopped = time.monotonic() - returned
        scene.await_segments(3)


def replacement(scene: Scene) -> Replacement:
    first = scene.worker()
    return Replacement(first, scene.service.other(first), scene.playlist().segments[-1].run)


def note(ledger: Ledger, what: str, found: Replacement, losses: Losses) -> None:
    remark = (
        f"taken over after {found.taken_over:.1f} s, "
        f"the old FFmpeg gone {found.stopped:.1f} s after return"
    )
    ledger.add(Entry(what, losses.stalled, losses.lost, found.shown, remark))
    assert found.taken_over < TAKEN_OVER_WITHIN


def test_a_worker_that_is_cut_off_is_replaced_and_stops_when_it_returns(
    scene: Scene, ledger: Ledger
) -> None:
    found = replacement(scene)
    with viewer_of(scene) as viewer:
        before = viewer.losses
        with found.lost(scene, Host.cut_off, Host.reconnect):
            pass
        note(ledger, "host of a worker cut off", found, since(before, viewer.losses))
    assert scene.worker() is found.second
    assert len(encoders(found.second.var / "hls")) == 1


def test_a_worker_without_a_database_adds_nothing_to_what_another_one_makes(
    scene: Scene, ledger: Ledger
) -> None:
    """It still has its publisher and its origin, and its FFmpeg knows nothing of all this."""
    found, data = replacement(scene), scene.service.data
    with viewer_of(scene) as viewer:
        before = viewer.losses
        with found.lost(scene, lambda host: host.lose(data), lambda host: host.find(data)):
            assert len(encoders(found.first.var / "hls")) == 1
            scene.await_segments(2)
            playlist = scene.playlist()
        losses = since(before, viewer.losses)
        note(ledger, "host of a worker without database", found, losses)
    # Just where the other one was: no number is missing, and none was given twice.
    newer = [segment.run > found.run for segment in playlist.segments]
    assert newer == sorted(newer)
    assert any(segment.run == found.run for segment in playlist.segments)


def test_a_database_that_was_away_for_longer_than_a_lease_moves_no_broadcast(
    scene: Scene, ledger: Ledger
) -> None:
    """Once it is back, each host finds leases of the other one run out whose FFmpegs are well."""
    driver, data = scene.worker(), scene.service.data
    hosts, before = [worker.host for worker in scene.service.workers], encoders(driver.var / "hls")
    with viewer_of(scene) as viewer:
        losses, began = viewer.losses, time.monotonic()
        for host in hosts:
            host.lose(data)
        try:
            until(lambda: not scene.is_leased(), 30, "its lease has run out")
        finally:
            for host in hosts:
                host.find(data)
        returned = time.monotonic()
        until(scene.is_leased, 30, "it is held again")
        held = time.monotonic() - returned
        scene.await_segments(3)
        losses = since(losses, viewer.losses)
    what = f"database away from all workers for {returned - began:.0f} s"
    ledger.add(Entry(what, losses.stalled, losses.lost, held))
    assert scene.worker() is driver
    assert [encoders(worker.var / "hls") for worker in (driver, scene.service.other(driver))] == [
        before,
        [],
    ]
    assert (losses.stalled, losses.lost) == (0.0, 0.0)


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_a_streamer_whose_ingest_is_lost_goes_on_at_another_one_at_once(
    scene: Scene, ledger: Ledger, how: str
) -> None:
    ingests = [scene.service.ingest, scene.service.ingest2]
    number = [ingest.host.name for ingest in ingests].index(scene.row["ingest_node"])
    lost, other = ingests[number], ingests[1 - number]
    run = scene.playlist().segments[-1].run
    with viewer_of(scene) as viewer:
        before, began = viewer.losses, time.monotonic()
        if how == "killed":
            lost.control("stop", "ingest")
        else:
            lost.host.cut_off()
        try:
            scene.publish_at(1 - number)
            until(lambda: scene.row["ingest_node"] == other.host.name, 10, "it is let in")
            let_in = time.monotonic() - began
            shown = scene.await_run_after(run, began)
        finally:
            lost.host.reconnect()
            if how == "killed":
                lost.control("start", "ingest")
        scene.await_segments(3)
        losses = since(before, viewer.losses)
    remark = f"let in after {let_in:.1f} s"
    ledger.add(Entry(f"ingest {how}", losses.stalled, losses.lost, shown, remark))
    # Stopping it, and beginning anew, is part of this; SILENT alone would be ten seconds.
    assert let_in < 5
    assert scene.publisher.publishing


def test_while_the_origin_restarts_nobody_is_told_that_nothing_is_on_air(scene: Scene) -> None:
    origin = scene.service.origin
    with viewer_of(scene):
        origin.control("stop", "origin")
        try:
            answer = fetch(scene.origin, scene.path)
            assert (answer.status, answer.json["error"]) == (503, "away")
            assert fetch(scene.origin, f"/hls/{NAME}/master.m3u8").status == 503
            scene.seconds_pass(3)  # what the edge has is no longer fresh
            assert scene.playlist().segments
        finally:
            origin.control("start", "origin")
        until(lambda: fetch(scene.origin, scene.path).status == 200, 5, "the origin is back")
        scene.await_segments(2)


def test_without_its_origin_an_edge_goes_on_with_what_it_has(scene: Scene) -> None:
    segment = scene.playlist().segments[-2].path
    assert fetch(scene.edge, segment).status == 200
    scene.service.origin.host.cut_off()
    try:
        known = scene.playlist().newest
        # Two segments more have been made: what the edge shows is no longer fresh.
        scene.seconds_pass(5)
        assert fetch(scene.edge, segment).status == 200
        assert scene.playlist().newest == known
    finally:
        scene.service.origin.host.reconnect()
    until(lambda: scene.playlist().newest > known + 3, 30, "what was made meanwhile")


def test_the_end_reaches_the_viewer_and_the_disks_of_all(scene: Scene) -> None:
    scene.publisher.stop()
    until(lambda: scene.playlist().ended, GRACE + 20, "the end of the playlist")
    for worker in scene.service.workers:
        until(lambda worker=worker: not encoders(worker.var / "hls"), 10, "no FFmpeg")  # type: ignore[misc]
