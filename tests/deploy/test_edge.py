"""The edge: a real nginx before a backend that tells what it was asked."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.acceptance.stack import until
from tests.answer import Answer, fetch
from tests.deploy.installation import (
    EchoBackend,
    Installation,
    free_port,
    serve,
    serve_unix,
)

RUN = f"hls/stream/{'0a' * 16}/0001-deadbeef"
IMMUTABLE = "public, max-age=31536000, immutable"


class Edge(Installation):
    def get(self, path: str, port: str = "WEB", method: str = "GET", **headers: str) -> Answer:
        return fetch(self.ports[port], path, method, **headers)


def asked(answer: Answer) -> dict[str, str]:
    """The headers the backend saw, in lower case."""
    return {name.lower(): value for name, value in answer.json["headers"].items()}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    yield from _serve(Edge(tmp_path_factory.mktemp("edge")))


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    yield from _serve(Edge(tmp_path_factory.mktemp("trusting"), LIVESTREAM_HTTPS="true"))


def _serve(
    edge: Edge, backend_kind: type[EchoBackend] = EchoBackend
) -> Generator[Edge, None, None]:
    media = edge.var / RUN / "720p"
    media.mkdir(parents=True)
    (media / "000000.m4s").write_bytes(b"segment")
    (media / "index.m3u8").write_text("private")
    (media.parent / "ffmpeg.log").write_text("private")
    (edge.var / "static/app.0123456789ab.js").write_text("let it = 'be compressed';" * 40)
    (edge.var / "static/icon.svg").write_text("<svg/>")
    backend = serve(edge.ports["BACKEND"], backend_kind)
    try:
        with edge.serving("edge.conf", "EDGE"):
            yield edge
    finally:
        backend.shutdown()
        backend.server_close()


@pytest.mark.parametrize("port", ["WEB", "EDGE"])
def test_segments_come_from_disk_and_are_kept_for_ever(edge: Edge, port: str) -> None:
    answer = edge.get(f"/{RUN}/720p/000000.m4s", port)
    assert (answer.status, answer.body) == (200, b"segment")
    assert answer.headers.get_all("Cache-Control") == [IMMUTABLE]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.headers["Content-Type"] == "video/iso.segment"


@pytest.mark.parametrize(
    "path",
    [
        f"/{RUN}/720p/000001.m4s",
        f"/{RUN}/720p/index.m3u8",
        f"/{RUN}/ffmpeg.log",
        f"/{RUN}/720p/../ffmpeg.log",
        "/hls/stream",
        "/hls",
    ],
)
def test_everything_else_of_hls_is_the_origin_s_to_answer(edge: Edge, path: str) -> None:
    answer = edge.get(path)
    assert answer.json["path"] == path
    assert "Access-Control-Allow-Origin" not in answer.headers


class Origin(EchoBackend):
    """An origin that has one stream. It is gone with its server, connections and all."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        found = self.path == "/hls/stream"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"origin")


class Ingest(EchoBackend):
    """What only this machine may reach."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ingest")


def test_the_web_stands_in_for_an_origin_that_is_away(edge: Edge) -> None:
    socket = edge.var / "run/origin.sock"
    origin = serve_unix(socket, Origin)
    # The edge may just have found it away.
    until(lambda: edge.get("/hls/stream").body == b"origin", 5, "the origin's answer")
    assert edge.get("/hls/another").json["path"] == "/hls/another"
    origin.shutdown()
    origin.server_close()
    for _ in range(10):
        assert edge.get("/hls/stream").json["path"] == "/hls/stream"
    socket.unlink()


class Registry(EchoBackend):
    """A web without media: whatever it is asked for is not on air."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"registry")


@pytest.mark.parametrize(("processes", "away"), [("origin edge", 503), ("origin edge web", 404)])
def test_where_segments_are_delivered_only_a_web_beside_them_stands_in(
    tmp_path: Path, processes: str, away: int
) -> None:
    """Any other would say that nothing is on air, and players would believe it."""
    serving = _serve(
        Edge(
            tmp_path,
            LIVESTREAM_STORE=f"127.0.0.1:{free_port()}",
            LIVESTREAM_PROCESSES=processes,
        ),
        Registry,
    )
    edge = next(serving)
    assert edge.get("/hls/stream").status == away
    origin = serve_unix(edge.var / "run/origin.sock", Origin)
    assert edge.get("/hls/stream").body == b"origin"
    # It is asked for what only the registry knows.
    assert (edge.get("/hls/other").status, edge.get("/hls/other").body) == (404, b"registry")
    origin.shutdown()
    origin.server_close()
    again = edge.get("/hls/stream")
    assert again.status == away
    if away == 503:
        assert (again.headers["Retry-After"], again.json["error"]) == ("2", "away")
    serving.close()


def test_a_preflight_for_a_segment_is_the_origin_s_to_answer(edge: Edge) -> None:
    # The stub knows no OPTIONS: 501 is its word, not nginx's.
    assert edge.get(f"/{RUN}/720p/000000.m4s", method="OPTIONS").status == 501


@pytest.mark.parametrize("port", ["WEB", "EDGE"])
@pytest.mark.parametrize(
    "path",
    [
        "/rtmp/publish",
        "/rtmp/",
        "/rtmp",
        "/%72tmp/publish",
        "//rtmp/publish",
        "/x/../rtmp/publish",
        "/rtmp%2fpublish",
        "/RTMP/publish",
        "/./rtmp/play",
    ],
)
def test_the_ingest_s_hook_cannot_be_reached(edge: Edge, path: str, port: str) -> None:
    answer = edge.get(path, port)
    assert answer.status == 404
    assert answer.json["error"] == "not_found"


def test_what_a_client_says_about_itself_is_not_believed(edge: Edge) -> None:
    claims = {
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "9.9.9.9",
        "X-Ingest-Secret": "guess",
        "Forwarded": "for=9.9.9.9",
    }
    seen = asked(edge.get("/api/streams", **claims))
    # Nor is it taken for a program of this machine: it may come through a proxy nobody told us of.
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("unknown", "http")
    assert not {"x-forwarded-host", "x-real-ip", "x-ingest-secret", "forwarded"} & set(seen)
    assert seen["host"] == f"127.0.0.1:{edge.ports['WEB']}"


def test_a_trusted_proxy_is_believed(trusting: Edge) -> None:
    claims = {"X-Forwarded-For": "8.8.8.8, 9.9.9.9", "X-Forwarded-Proto": "https"}
    seen = asked(trusting.get("/", **claims))
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("9.9.9.9", "https")


def test_only_websocket_is_a_protocol_to_change_to(edge: Edge) -> None:
    socket = asked(edge.get("/ws/chat/stream/", Connection="Upgrade", Upgrade="WebSocket"))
    assert (socket["connection"], socket["upgrade"]) == ("upgrade", "websocket")
    assert "upgrade" not in asked(edge.get("/", Connection="Upgrade", Upgrade="h2c"))


def test_files_with_a_hash_in_their_name_are_kept_for_ever(edge: Edge) -> None:
    answer = edge.get("/static/app.0123456789ab.js", Accept_Encoding="gzip")
    assert answer.headers["Cache-Control"] == IMMUTABLE
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "be compressed" in answer.text
    assert edge.get("/static/icon.svg").headers["Cache-Control"] == "no-cache"
    assert edge.get("/static/none.js").status == 404


def test_the_machines_port_has_no_pages(edge: Edge) -> None:
    assert edge.get("/", "WEB").status == 200
    for path in ("/", "/admin/", "/stream"):
        assert edge.get(path, "EDGE").status == 404


def test_statistics_are_not_for_a_proxy_s_clients(edge: Edge, trusting: Edge) -> None:
    assert edge.get("/stat", "EDGE", X_Forwarded_For="8.8.8.8").status == 403
    assert trusting.get("/stat", "EDGE", X_Forwarded_For="8.8.8.8").status == 403


@pytest.mark.parametrize("port", ["WEB", "EDGE"])
@pytest.mark.parametrize(
    "path",
    [
        "/control/drop/publisher?app=live&name=x",
        "/control",
        "//control/drop",
        "/%63ontrol/drop",
        "/rtmp/../control/drop",
        "/stat/../control/drop",
        "/hls/../control/drop",
        "/static/../../run/ingest.sock:/control",
    ],
)
def test_the_ingest_s_controls_cannot_be_reached(edge: Edge, path: str, port: str) -> None:
    ingest = serve_unix(edge.var / "run/ingest.sock", Ingest)
    try:
        answer = edge.get(path, port)
        assert b"ingest" not in answer.body.replace(path.encode(), b"")
        if port == "EDGE":
            assert answer.status in (400, 404)
    finally:
        ingest.shutdown()
        ingest.server_close()
        (edge.var / "run/ingest.sock").unlink()


def test_statistics_are_for_this_machine_alone(edge: Edge) -> None:
    ingest = serve_unix(edge.var / "run/ingest.sock", Ingest)
    try:
        assert edge.get("/stat", "EDGE").body == b"ingest"
        # Another address than 127.0.0.1, as somebody from elsewhere has.
        assert fetch(edge.ports["EDGE"], "/stat", source="127.0.0.2").status == 403
        assert edge.get("/stat", "WEB").body != b"ingest"
    finally:
        ingest.shutdown()
        ingest.server_close()
        (edge.var / "run/ingest.sock").unlink()


def burst(
    edge: Edge, path: str, times: int, *clients: str, method: str = "GET"
) -> dict[int, list[Answer]]:
    """What that many requests at once are answered, by state; the clients take turns."""
    turns = islice(cycle(clients or ["8.8.8.8"]), times)
    with ThreadPoolExecutor(16) as pool:
        asked = [
            pool.submit(edge.get, path, method=method, X_Forwarded_For=client) for client in turns
        ]
    answers: dict[int, list[Answer]] = {}
    for answer in asked:
        answers.setdefault(answer.result().status, []).append(answer.result())
    return answers


def test_whoever_posts_passwords_without_end_is_told_to_wait(trusting: Edge) -> None:
    answers = burst(trusting, "/admin/login/", 40, method="POST")
    # The stub knows no POST: 501 is its word. One more comes free every two seconds.
    assert 20 <= len(answers[501]) <= 30
    refused = answers[429][0]
    assert (refused.headers["Retry-After"], refused.headers["Content-Type"]) == ("60", "text/html")
    assert "Try again in a minute" in refused.text
    # Reading the form is free, and others are not concerned.
    assert set(burst(trusting, "/admin/login/", 40)) == {200}
    assert set(burst(trusting, "/admin/login/", 1, "9.9.9.9", method="POST")) == {501}


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("/api/streams", "2001:db8:1:2::1", "2001:db8:1:2:3::7"),
        ("/ws/chat/stream/", "2001:db8:1:2::1", "2001:db8:1:2:3::7"),
        # Zeros are left out of their text.
        ("/api/streams", "2001:db8::5:1:2:3", "2001:db8::6:1:2:3"),
    ],
)
def test_a_network_that_asks_without_end_is_told_to_wait(
    trusting: Edge, path: str, one: str, other: str
) -> None:
    # Each of the two alone would stay below the limit for the first three hundred.
    answers = until(
        lambda: found if 429 in (found := burst(trusting, path, 590, one, other)) else {},
        30,
        "it is told to wait",
    )
    assert set(answers) == {200, 429}
    refused = answers[429][0]
    assert refused.headers["Retry-After"] == "2"
    assert refused.json["error"] == "too_many_requests"
    # A page of another site may read that it has to wait.
    assert refused.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert set(burst(trusting, path, 1, "2001:db8:1:3::1")) == {200}


def test_who_asks_for_pages_without_end_is_told_to_wait(trusting: Edge) -> None:
    """Each page without a cookie is a session that has to be kept."""
    answers = until(
        lambda: found if 429 in (found := burst(trusting, "/stream", 590, "7.7.7.8")) else {},
        30,
        "it is told to wait",
    )
    assert answers[429][0].headers["Retry-After"] == "5"
    assert set(burst(trusting, "/stream", 1, "7.7.7.9")) == {200}


@pytest.mark.parametrize("path", ["/hls/stream", f"/{RUN}/720p/000000.m4s"])
def test_who_only_watches_is_never_limited(trusting: Edge, path: str) -> None:
    assert set(burst(trusting, path, 700, "7.7.7.7")) == {200}


@pytest.mark.parametrize("path", ["/api/streams", "/ws/chat/stream/"])
def test_programs_of_this_machine_are_not_limited(edge: Edge, path: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        states = {answer.status for answer in pool.map(edge.get, [path] * 600)}
    assert states == {200}


@pytest.mark.parametrize("path", ["/api/streams", "/ws/chat/stream/", "/stream", "/admin/login/"])
def test_who_comes_through_a_proxy_nobody_told_us_of_is_limited(edge: Edge, path: str) -> None:
    """All of them together: who they are is not known."""
    method = "POST" if "login" in path else "GET"
    answers = until(
        lambda: (
            found
            if 429 in (found := burst(edge, path, 590, "8.8.8.8", "9.9.9.9", method=method))
            else {}
        ),
        30,
        "they are told to wait",
    )
    assert 429 in answers
    # A program of this machine has nothing to do with them.
    assert edge.get(path, method=method).status != 429


def test_a_backend_that_restarts_is_a_503_that_players_may_read(tmp_path: Path) -> None:
    serving = _serve(Edge(tmp_path, LIVESTREAM_BACKEND_PORT="1"))
    edge = next(serving)
    answer = edge.get("/hls/stream")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.json["error"] == "away"
    serving.close()
