"""The ingest: a real nginx with RTMP, a real FFmpeg, and a hook that remembers what it was told."""

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from streams.ingest_node import IngestNode
from tests.deploy.installation import Installation, serve, wait_for_port
from tests.streams.ladder.conftest import packets

KEY = "kEy-That-NoLogMayShow"


class Ingest(Installation):
    def __init__(self, var: Path) -> None:
        super().__init__(var)
        self.told: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.node = IngestNode(f"unix:{var}/run/ingest.sock")
        self.waited: bool | None = None

    def hook(self) -> ThreadingHTTPServer:
        told, outer = self.told, self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(parse_qsl(body, keep_blank_values=True))
                told.append((self.path, form, dict(self.headers.items())))
                if form["name"] == "good-later":
                    outer.waited = outer.node.await_player("internal-name", 3)
                if self.path == "/rtmp/play":
                    self.send_response(204)
                elif form["name"].startswith("good"):
                    self.send_response(302)
                    self.send_header("Location", "internal-name")
                else:
                    self.send_response(403)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return serve(self.ports["BACKEND"], Hook)

    def publish(self, key: str, seconds: int = 1) -> int:
        """FFmpeg's exit code."""
        return subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "quiet", "-re", "-f", "lavfi",
             "-i", "testsrc2=size=160x120:rate=10", "-t", str(seconds), "-c:v", "libx264",
             "-preset", "ultrafast", "-f", "flv", f"rtmp://127.0.0.1:{self.ports['RTMP']}/live/{key}"],
            timeout=30,
        ).returncode  # fmt: skip

    def play(self, file: Path) -> "subprocess.Popen[bytes]":
        """FFmpeg, pulling by the internal name into a file."""
        return subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "quiet", "-f", "flv", "-rtmp_live", "live",
             "-rw_timeout", "15000000", "-i",
             f"rtmp://127.0.0.1:{self.ports['RTMP']}/live/internal-name", "-c", "copy", str(file)],
        )  # fmt: skip

    def log(self) -> str:
        return (self.var / "log/ingest.conf").read_text()


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path)
    rendered = ingest.run("deploy.render", "ingest.conf")
    assert rendered.returncode == 0, rendered.stderr
    nginx = ingest.nginx("ingest.conf")
    try:
        wait_for_port(ingest.ports["RTMP"])
        yield ingest
    finally:
        nginx.terminate()
        nginx.wait(10)


@pytest.fixture
def hook(ingest: Ingest) -> Iterator[Ingest]:
    server = ingest.hook()
    yield ingest
    server.shutdown()
    server.server_close()


def test_the_hook_gets_the_secret_in_a_header_and_the_key_in_the_form(hook: Ingest) -> None:
    assert hook.publish(f"good?key={KEY}") == 0
    path, form, headers = hook.told[0]
    assert (path, form["name"], form["key"]) == ("/rtmp/publish", "good", KEY)
    assert (headers["X-Ingest-Secret"], headers["X-Ingest-Node"]) == (hook.secret, "local")
    assert headers["Host"] == "localhost"


def test_the_hook_hears_when_a_publisher_leaves(hook: Ingest) -> None:
    hook.publish("good")
    assert hook.told[-1][0] == "/rtmp/publish_done"


def test_a_publisher_the_hook_refuses_is_turned_away(hook: Ingest) -> None:
    assert hook.publish("bad") != 0


def test_a_publisher_is_turned_away_while_nobody_can_decide(ingest: Ingest) -> None:
    assert ingest.publish("good") != 0


def test_a_player_that_comes_first_gets_the_first_picture_and_the_end(
    hook: Ingest, tmp_path: Path
) -> None:
    player = hook.play(tmp_path / "played.flv")
    try:
        assert hook.publish("good-later", seconds=2) == 0
        # Well before it would give up a publisher that fell silent.
        assert player.wait(10) == 0
    finally:
        player.kill()
    assert hook.waited is True
    times = [float(time) for time, *_ in packets(tmp_path / "played.flv", "v")]
    assert len(times) == 20  # all of them: the only key frame is the first


def test_a_publisher_nobody_plays_is_not_held_for_long(hook: Ingest) -> None:
    assert hook.node.await_player("internal-name", 0.1) is False


def test_no_key_reaches_the_log_whatever_goes_wrong(ingest: Ingest) -> None:
    ingest.publish(f"good?key={KEY}")
    ingest.publish(KEY)
    server = ingest.hook()
    ingest.publish(f"bad?key={KEY}")
    ingest.publish(f"good?key={KEY}")
    server.shutdown()
    server.server_close()
    assert "/rtmp/publish" in ingest.log()  # that it could not reach the hook, it does say
    assert KEY not in ingest.log()
    assert ingest.secret not in ingest.log()
