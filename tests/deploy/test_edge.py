"""The edge: a real nginx before a backend that tells what it was asked."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import until
from tests.answer import Answer, fetch
from tests.deploy.installation import (
    EchoBackend,
    Installation,
    serve,
    serve_unix,
    wait_for_port,
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


def _serve(edge: Edge) -> Generator[Edge, None, None]:
    media = edge.var / RUN / "720p"
    media.mkdir(parents=True)
    (media / "000000.m4s").write_bytes(b"segment")
    (media / "index.m3u8").write_text("private")
    (media.parent / "ffmpeg.log").write_text("private")
    (edge.var / "static/app.0123456789ab.js").write_text("let it = 'be compressed';" * 40)
    (edge.var / "static/icon.svg").write_text("<svg/>")
    rendered = edge.run("deploy.render", "live.conf", "edge.conf")
    assert rendered.returncode == 0, rendered.stderr
    backend = serve(edge.ports["BACKEND"], EchoBackend)
    nginx = edge.nginx("edge.conf")
    try:
        wait_for_port(edge.ports["EDGE"])
        yield edge
    finally:
        nginx.terminate()
        nginx.wait(10)
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
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
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


def test_a_backend_that_restarts_is_a_503_that_players_may_read(tmp_path: Path) -> None:
    serving = _serve(Edge(tmp_path, LIVESTREAM_BACKEND_PORT="1"))
    edge = next(serving)
    answer = edge.get("/hls/stream")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.json["error"] == "away"
    serving.close()
