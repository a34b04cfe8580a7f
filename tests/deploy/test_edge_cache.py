"""The edge that only caches: a real nginx before origins that count what they are asked."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streams.origin.app import FOREVER, FRESH
from tests.acceptance.stack import until
from tests.answer import Answer, fetch
from tests.deploy.installation import Installation, free_port, lost_port, serve

PLAYLIST = "/hls/garden/master.m3u8"
SEGMENT = f"/hls/garden/{'0a' * 16}/0001-deadbeef/720p/000000.m4s"
MEDIA = bytes(range(256)) * 40


class Origin:
    """Answers as the edge of an origin's host does. `held`: it waits before it answers."""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, free_port()
        self.asked: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self.version = 1
        self.held = threading.Event()
        self.held.set()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> "Origin":
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if origin._server is None:  # on a connection that was kept
                    self.close_connection = True
                    return
                origin.asked[self.path] += 1
                origin.headers = dict(self.headers.items())
                origin.held.wait(10)
                body = MEDIA if self.path == SEGMENT else f"{origin.name} {origin.version}".encode()
                missing = "missing" in self.path
                self.send_response(404 if missing else 200)
                headers = FOREVER if self.path == SEGMENT else FRESH
                if not self.path.startswith("/hls/"):
                    headers = {}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Vary", "Accept-Encoding")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = serve(self.port, Handler)
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Edge(Installation):
    def __init__(self, var: Path, *origins: Origin, **variables: str) -> None:
        places = ", ".join(f"127.0.0.1:{origin.port}" for origin in origins)
        super().__init__(var, LIVESTREAM_EDGE_OF=places, LIVESTREAM_PROCESSES="edge", **variables)

    def get(self, path: str, **headers: str) -> Answer:
        return fetch(self.ports["WEB"], path, **headers)


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin("first").start()
    yield origin
    origin.held.set()
    origin.stop()


@pytest.fixture
def spare() -> Iterator[Origin]:
    spare = Origin("second").start()
    yield spare
    spare.stop()


@contextmanager
def running(edge: Edge) -> Iterator[Edge]:
    (edge.var / "cache").mkdir()
    with edge.serving("edge-cache.conf", "EDGE"):
        yield edge


@pytest.fixture
def edge(tmp_path: Path, origin: Origin, spare: Origin) -> Iterator[Edge]:
    with running(Edge(tmp_path, origin, spare)) as edge:
        yield edge


def wait_for_seconds(edge: Edge, count: int) -> None:
    """nginx reckons what has run out by whole seconds of its clock, and tells them."""
    first = edge.get("/rtmp").headers["Date"]
    seen = {first}
    until(
        lambda: seen.add(edge.get("/rtmp").headers["Date"]) or len(seen) > count,  # type: ignore[func-returns-value]
        count + 5,
        f"{count} seconds of nginx's clock",
    )


def test_however_many_ask_the_origin_is_asked_once(edge: Edge, origin: Origin) -> None:
    origin.held.clear()
    with ThreadPoolExecutor(40) as viewers:
        answers = [viewers.submit(edge.get, PLAYLIST) for _ in range(40)]
        until(lambda: origin.asked[PLAYLIST], 10, "the first one")
        origin.held.set()
        assert {answer.result().text for answer in answers} == {"first 1"}
    assert origin.asked[PLAYLIST] <= 2  # the last of the forty may have come a second later


@pytest.mark.parametrize("path", [PLAYLIST, "/hls/missing"])
def test_of_one_that_has_run_out_the_origin_is_asked_once_as_well(
    edge: Edge, origin: Origin, path: str
) -> None:
    """As when a stream comes on air: all its pages ask at once for what was not there before."""
    edge.get(path)
    wait_for_seconds(edge, 3)
    before, origin.version = origin.asked[path], 2
    origin.held.clear()
    with ThreadPoolExecutor(40) as viewers:
        answers = [viewers.submit(edge.get, path) for _ in range(40)]
        until(lambda: origin.asked[path] > before, 10, "the first one")
        wait_for_seconds(edge, 1)
        origin.held.set()
        assert {answer.result().text for answer in answers} == {"first 2"}
    assert origin.asked[path] - before <= 2  # the forty may have come in two seconds


@pytest.mark.parametrize("how", ["killed", "lost"])
def test_without_an_origin_nobody_waits_long_for_the_old_one(
    edge: Edge, origin: Origin, spare: Origin, how: str
) -> None:
    edge.get(PLAYLIST)
    origin.stop()
    spare.stop()
    with ExitStack() as ports:
        if how == "lost":
            for one in (origin, spare):
                ports.enter_context(lost_port(one.port))
        wait_for_seconds(edge, 3)
        began = time.monotonic()
        with ThreadPoolExecutor(40) as viewers:
            answers = list(viewers.map(edge.get, [PLAYLIST] * 40))
    assert {answer.text for answer in answers} == {"first 1"}
    # hls.js gives it five seconds.
    assert time.monotonic() - began < 4.5


def test_a_playlist_is_never_older_than_a_second(edge: Edge, origin: Origin) -> None:
    assert edge.get(PLAYLIST).text == "first 1"
    origin.version = 2
    until(lambda: edge.get(PLAYLIST).text == "first 2", 2.5, "the new playlist")


def test_after_a_quiet_time_nobody_gets_the_old_one(edge: Edge, origin: Origin) -> None:
    edge.get(PLAYLIST)
    origin.version = 2
    until(lambda: edge.get("/hls/other").text and origin.asked["/hls/other"] > 2, 8, "seconds pass")
    assert edge.get(PLAYLIST).text == "first 2"


def test_a_segment_is_fetched_once_also_in_parts(edge: Edge, origin: Origin) -> None:
    answers = [edge.get(SEGMENT), edge.get(SEGMENT), edge.get(SEGMENT, Range="bytes=256-511")]
    assert [answer.status for answer in answers] == [200, 200, 206]
    assert answers[0].body == MEDIA
    assert answers[2].body == MEDIA[256:512]
    assert answers[0].headers["Cache-Control"] == FOREVER["Cache-Control"]
    assert origin.asked[SEGMENT] == 1


def test_without_an_origin_players_get_what_is_there(
    edge: Edge, origin: Origin, spare: Origin
) -> None:
    assert edge.get(PLAYLIST).status == edge.get(SEGMENT).status == 200
    origin.stop()
    spare.stop()
    fresh = edge.get("/hls/never-seen")
    assert (fresh.status, fresh.headers["Cache-Control"]) == (503, "no-store")
    assert edge.get(SEGMENT).body == MEDIA
    until(lambda: edge.get("/hls/never-seen").status == 503, 5, "a second passes")
    assert edge.get(PLAYLIST).text == "first 1"


def test_the_second_origin_answers_while_the_first_is_away(
    edge: Edge, origin: Origin, spare: Origin
) -> None:
    assert {edge.get(f"/hls/{number}").text for number in range(10)} == {"first 1"}
    origin.stop()
    assert {edge.get(f"/hls/{number}").text for number in range(10, 20)} == {"second 1"}


def test_what_is_not_there_is_asked_for_again_a_second_later(edge: Edge, origin: Origin) -> None:
    assert [edge.get("/hls/missing").status for _ in range(5)] == [404] * 5
    until(lambda: edge.get("/hls/missing") and origin.asked["/hls/missing"] > 1, 3, "another try")
    assert edge.get("/hls/missing").status == 404


def test_pages_and_the_api_are_not_kept(edge: Edge, origin: Origin) -> None:
    assert edge.get("/api/streams").text == "first 1"
    origin.version = 2
    assert edge.get("/api/streams").text == "first 2"


def test_a_viewers_own_claims_about_its_address_stop_here(edge: Edge, origin: Origin) -> None:
    # Nor taken for the origin's own machine, as whoever comes through a proxy here would be.
    for claims in ({}, {"X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1"}):
        edge.get("/", **claims)
        assert origin.headers["X-Forwarded-For"] == "unknown"
        assert "X-Real-IP" not in origin.headers


def test_a_proxy_it_was_told_of_is_believed(tmp_path: Path, origin: Origin) -> None:
    with running(Edge(tmp_path, origin, LIVESTREAM_TRUSTED_PROXY="127.0.0.1")) as edge:
        edge.get("/", **{"X-Forwarded-For": "6.6.6.6, 198.51.100.7"})
    assert origin.headers["X-Forwarded-For"] == "198.51.100.7"


@pytest.mark.parametrize("path", ["/rtmp/publish", "/stat"])
def test_the_ways_of_machines_end_here(edge: Edge, origin: Origin, path: str) -> None:
    assert edge.get(path).status == 404
    assert not origin.asked
