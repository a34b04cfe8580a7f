"""Ingest nodes: what they tell of themselves, and what a lost one costs the others."""

import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from streams import foreman, ingest_nodes
from streams.ingest import Ingest, admit
from streams.ingest_node import TIMEOUT, IngestNode, IngestUnreachable
from streams.ingest_nodes import IngestNodes, forget_nodes
from streams.models import Broadcast, Stream
from streams.models import IngestNode as Row
from streams.steadiness import Steadiness
from tests.deploy.installation import free_port, serve

pytestmark = pytest.mark.django_db

# Where nobody answers, not even with a refusal: an address kept for documentation.
LOST = "http://192.0.2.1:8191"
PULL = "rtmp://192.0.2.1:1935/live"
STREAM = (
    "<stream><name>{name}</name><client><id>1</id><address>203.0.113.9</address><time>60000</time>"
    "<publishing/><active/></client><publishing/><active/></stream>"
)


class Stat(BaseHTTPRequestHandler):
    """The /stat and /control of one node."""

    publishing: ClassVar[list[str]] = []
    dropped: ClassVar[list[str]] = []
    secrets: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.secrets.append(self.headers["X-Ingest-Secret"])
        if self.path == "/stat":
            streams = "".join(STREAM.format(name=name) for name in self.publishing)
            text = f"<application><name>live</name><live>{streams}</live></application>"
            body = f"<rtmp><server>{text}</server></rtmp>".encode()
        else:
            self.dropped.append(self.path.rpartition("name=")[2])
            body = b"1"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def stat_of(*publishing: str) -> type[Stat]:
    return type("Node", (Stat,), {"publishing": [*publishing], "dropped": [], "secrets": []})


@pytest.fixture
def far() -> Iterator[tuple[str, type[Stat]]]:
    """A node on another host, with one publisher: its address and what it was asked."""
    handler, port = stat_of("stream-1"), free_port()
    server: ThreadingHTTPServer = serve(port, handler)
    yield f"http://127.0.0.1:{port}", handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> IngestNodes:
    """Those of a host that runs no ingest."""
    nodes = IngestNodes(IngestNode("unix:/nowhere"), "local", here=False)
    monkeypatch.setattr(foreman, "nodes", nodes)
    return nodes


def on_air(stream: Stream, node: str, name: str = "stream-1", age: float = 60) -> Broadcast:
    then = timezone.now() - timedelta(seconds=age)
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_node=node, ingest_name=name,
        ingest_since=then, started_at=then, last_segment_at=then,
    )  # fmt: skip


def test_a_node_that_told_of_itself_is_asked_there_with_the_secret(
    nodes: IngestNodes, far: tuple[str, type[Stat]], settings: object
) -> None:
    nodes.learn("far", far[0], PULL, timezone.now())
    found = nodes.named("far")
    assert set(found.publishers()) == {"stream-1"}
    assert found.pull("stream-1") == f"{PULL}/stream-1"
    assert far[1].secrets == [settings.INGEST_SECRET]  # type: ignore[attr-defined]


def test_another_process_finds_a_new_node_at_once(nodes: IngestNodes) -> None:
    assert nodes.named("far").url == "unix:/nowhere"
    IngestNodes(nodes.local, "local").learn("far", LOST, PULL, timezone.now())
    nodes._clock = lambda: time.monotonic() + ingest_nodes.SOUGHT_EVERY + 0.1
    assert nodes.named("far").url == LOST


def test_a_node_that_moved_is_found_where_it_is_now(nodes: IngestNodes) -> None:
    nodes.learn("far", LOST, PULL, timezone.now())
    nodes.learn("far", "http://192.0.2.2:8191", PULL, timezone.now())
    assert nodes.named("far").url == "http://192.0.2.2:8191"
    assert Row.objects.count() == 1


def test_a_node_that_serves_its_own_host_again_is_no_longer_looked_for(nodes: IngestNodes) -> None:
    nodes.learn("far", LOST, PULL, timezone.now())
    nodes.learn("far", "", "", timezone.now())
    assert nodes.all() == {}


@pytest.mark.parametrize(
    ("control", "pull"), [("file:///etc", PULL), (LOST, "http://192.0.2.1/"), (LOST, "")]
)
def test_an_address_that_is_none_is_not_believed(
    nodes: IngestNodes, control: str, pull: str
) -> None:
    nodes.learn("far", control, pull, timezone.now())
    assert not Row.objects.exists()


def test_nodes_stay_known_while_the_database_is_away(
    nodes: IngestNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.learn("far", LOST, PULL, timezone.now())
    assert nodes.named("far").url == LOST

    def fails(*_: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(QuerySet, "__iter__", fails)
    nodes.forget()
    assert nodes.named("far").url == LOST


def test_our_own_node_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Row, "objects", None)
    own = IngestNodes(IngestNode("unix:/nowhere"), "local")
    assert own.named("local") is own.local


def test_a_lost_node_is_waited_for_once_by_all_together(far: tuple[str, type[Stat]]) -> None:
    lost = IngestNode(LOST)
    began = time.monotonic()
    for _ in range(50):  # as many supervisors, one after the other
        with pytest.raises(IngestUnreachable):
            lost.publishers()
    assert time.monotonic() - began < 2 * TIMEOUT


def test_a_lost_node_keeps_nobody_elsewhere_from_being_looked_after(
    nodes: IngestNodes, far: tuple[str, type[Stat]], stream: Stream
) -> None:
    for number in range(4):
        nodes.learn(f"lost-{number}", f"http://192.0.2.{number + 1}:8191", PULL, timezone.now())
    nodes.learn("far", far[0], PULL, timezone.now())
    on_air(stream, "far", "stream-2")
    began = time.monotonic()
    foreman.reconcile(Crew())  # type: ignore[arg-type]
    assert time.monotonic() - began < 2 * TIMEOUT
    assert far[1].dropped == ["stream-1"]  # it belongs to no broadcast


class Crew:
    record = Steadiness()

    def take(self, broadcast_id: object) -> bool:
        return True


@pytest.mark.parametrize(("age", "admitted"), [(6, False), (12, True)])
def test_somebody_else_waits_until_nothing_comes_by_a_lost_node(
    nodes: IngestNodes, stream: Stream, lost_url: str, age: float, admitted: bool
) -> None:
    """It may be lost for us alone."""
    nodes.learn("lost", lost_url, PULL, timezone.now())
    broadcast = on_air(stream, "lost", age=age)
    found = admit(stream, Ingest("far", "stream-2", "1", "198.51.100.7"), nodes, timezone.now())
    broadcast.refresh_from_db()
    assert (found is not None) is admitted
    assert broadcast.ingest_node == ("far" if admitted else "lost")


def test_a_node_that_was_not_seen_for_a_day_is_forgotten_unless_it_is_in_use(
    nodes: IngestNodes, stream: Stream
) -> None:
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    for name in ("used", "unused"):
        nodes.learn(name, LOST, PULL, yesterday)
    nodes.learn("seen", LOST, PULL, timezone.now())
    on_air(stream, "used")
    forget_nodes(timezone.now())
    assert {row.name for row in Row.objects.all()} == {"used", "seen"}


def test_a_node_that_answers_is_seen(nodes: IngestNodes, far: tuple[str, type[Stat]]) -> None:
    nodes.learn("far", far[0], PULL, timezone.now() - timedelta(hours=1))
    foreman.reconcile(Crew())  # type: ignore[arg-type]
    assert timezone.now() - Row.objects.get().seen_at < timedelta(minutes=1)
