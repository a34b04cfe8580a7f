"""The ingest: a real nginx with RTMP, a real FFmpeg, and a hook that remembers what it was told."""

import http.client
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from streams.ingest_node import IngestNode, IngestUnreachable
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import until
from tests.deploy.installation import Installation, free_port, serve
from tests.deploy.relay import from_address, relay
from tests.streams.ladder.conftest import packets

KEY = "kEy-That-NoLogMayShow"


class Ingest(Installation):
    def __init__(self, var: Path, **variables: str) -> None:
        super().__init__(var, **variables)
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

    def play(self, file: Path, port: int | None = None) -> "subprocess.Popen[bytes]":
        """FFmpeg, pulling by the internal name into a file."""
        return subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "quiet", "-f", "flv", "-rtmp_live", "live",
             "-rw_timeout", "15000000", "-i",
             f"rtmp://127.0.0.1:{port or self.ports['RTMP']}/live/internal-name", "-c", "copy",
             str(file)],
        )  # fmt: skip

    def log(self) -> str:
        return (self.var / "log/ingest.conf").read_text()


@contextmanager
def running(ingest: Ingest) -> Iterator[Ingest]:
    with ingest.serving("ingest.conf", "RTMP"):
        yield ingest


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with running(Ingest(tmp_path)) as ingest:
        yield ingest


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
    assert not {"X-Ingest-Control", "X-Ingest-Pull"} & set(headers)


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


# Addresses of this machine that are not 127.0.0.1, as those of other hosts are not.
INGEST, WORKER, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Ingest]:
    """An ingest with workers on other hosts, and its hook."""
    far = Ingest(
        tmp_path,
        LIVESTREAM_INGEST_CONTROL=f"{INGEST}:{free_port()}",
        LIVESTREAM_INGEST_NODE="far",
        LIVESTREAM_RTMP_BIND="0.0.0.0",
        LIVESTREAM_WORKERS=f"{WORKER}/32",
    )
    with running(far):
        server = far.hook()
        yield far
        server.shutdown()
        server.server_close()


def asks(far: Ingest, source: str, secret: str, path: str = "/stat") -> int:
    """The status of its answer to a host of that address."""
    host, _, port = far.environment["LIVESTREAM_INGEST_CONTROL"].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), 5, source_address=(source, 0))
    connection.request("GET", path, headers={"X-Ingest-Secret": secret})
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_ingest_for_others_tells_them_where_it_is(far: Ingest) -> None:
    far.publish("good")
    _, _, headers = far.told[0]
    assert headers["X-Ingest-Node"] == "far"
    assert headers["X-Ingest-Control"] == f"http://{far.environment['LIVESTREAM_INGEST_CONTROL']}"
    assert headers["X-Ingest-Pull"] == f"rtmp://{INGEST}:{far.ports['RTMP']}/live"


def test_only_a_worker_that_knows_the_secret_is_answered(far: Ingest) -> None:
    assert asks(far, WORKER, far.secret) == 200
    assert asks(far, WORKER, "wrong") == 403
    assert asks(far, WORKER, "") == 403
    assert asks(far, STRANGER, far.secret) == 403
    drop = "/control/drop/publisher?app=live&name=internal-name"
    assert asks(far, STRANGER, far.secret, drop) == 403
    assert asks(far, WORKER, far.secret.swapcase(), drop) == 403


def test_a_worker_far_away_sees_and_drops_its_publishers(far: Ingest) -> None:
    url = f"http://{far.environment['LIVESTREAM_INGEST_CONTROL']}"
    node, outsider = IngestNode(url, secret=far.secret), IngestNode(url)
    with Publisher(far.ports["RTMP"], "good", size="320x180") as publisher:
        until(lambda: "internal-name" in node.publishers(fresh=True), 10, "the publisher in /stat")
        assert node.drop("internal-name") == 1
        assert publisher.ended(10) != 0
    with pytest.raises(IngestUnreachable, match="403"):
        outsider.publishers()


def test_only_workers_may_play(far: Ingest, tmp_path: Path) -> None:
    with Publisher(far.ports["RTMP"], "good", size="320x180"):
        until(lambda: far.told, 10, "a publisher")
        played = {}
        for source in (STRANGER, WORKER):
            played[source] = tmp_path / f"{source}.flv"
            with relay(from_address(source, INGEST, far.ports["RTMP"])) as port:
                player = far.play(played[source], port)
                try:
                    if source == STRANGER:
                        assert player.wait(10) != 0
                    else:
                        until(lambda: _size(played[WORKER]) > 50_000, 15, "a worker's pull")
                finally:
                    player.kill()
                    player.wait()
        assert _size(played[STRANGER]) == 0


def test_the_hook_is_told_the_true_address(far: Ingest) -> None:
    stranger = from_address(STRANGER, INGEST, far.ports["RTMP"])
    with relay(stranger) as port, Publisher(port, "good", size="320x180"):
        until(lambda: far.told, 10, "a publisher")
    assert far.told[0][1]["addr"] == STRANGER


def test_the_hook_is_told_an_address_of_ipv6(tmp_path: Path) -> None:
    with running(Ingest(tmp_path, LIVESTREAM_RTMP_BIND="::1")) as ingest:
        server = ingest.hook()
        ours = ("::1", ingest.ports["RTMP"])
        with (
            relay(lambda: socket.create_connection(ours)) as port,
            Publisher(port, "good", size="320x180"),
        ):
            until(lambda: ingest.told, 10, "a publisher")
        server.shutdown()
        server.server_close()
    assert ingest.told[0][1]["addr"] == "::1"


class Caller(socket.socket):
    """Somebody who connects to the ingest, says the first words of RTMP, and holds on."""

    def __init__(self, source: str, ingest: Ingest) -> None:
        super().__init__()
        self.settimeout(5)
        self.bind((source, 0))
        self.connect(("127.0.0.1", ingest.ports["RTMP"]))
        self.welcome = False
        # Who is not welcome is cut off, sooner or later.
        with suppress(ConnectionError):
            self.sendall(b"\x03" + bytes(1536))
            self.welcome = bool(self.recv(1))


def test_one_address_takes_no_more_connections_than_it_may(tmp_path: Path) -> None:
    variables = {
        "LIVESTREAM_RTMP_PER_ADDRESS": "3",
        "LIVESTREAM_RTMP_BIND": "0.0.0.0",
        "LIVESTREAM_WORKERS": f"{WORKER}/32",
    }
    with running(Ingest(tmp_path, **variables)) as ingest, ExitStack() as held:

        def welcomed(source: str, times: int) -> int:
            callers = [held.enter_context(Caller(source, ingest)) for _ in range(times)]
            return sum(caller.welcome for caller in callers)

        assert welcomed(STRANGER, 5) == 3
        # Nobody else is concerned, and this machine and the hosts of workers never are.
        assert welcomed("127.0.0.5", 1) == 1
        assert welcomed("127.0.0.1", 5) == 5
        assert welcomed(WORKER, 5) == 5
        held.close()
        until(lambda: welcomed(STRANGER, 1), 5, "a connection after the others have gone")


def test_a_limit_may_be_done_without(tmp_path: Path) -> None:
    ingest = Ingest(tmp_path, LIVESTREAM_RTMP_PER_ADDRESS="0")
    with running(ingest):
        assert "limit_conn publishers" not in (tmp_path / "conf/ingest.conf").read_text()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LIVESTREAM_INGEST_CONTROL": "0.0.0.0:8191"}, "LIVESTREAM_INGEST_URL"),
        ({"LIVESTREAM_INGEST_CONTROL": "127.0.0.2:8191"}, "LIVESTREAM_RTMP_BIND"),
        ({"LIVESTREAM_INGEST_CONTROL": "8191"}, "LIVESTREAM_INGEST_CONTROL"),
        ({"LIVESTREAM_BACKENDS": "web;1"}, "LIVESTREAM_BACKENDS"),
        ({"LIVESTREAM_WORKERS": "workers"}, "LIVESTREAM_WORKERS"),
        ({"LIVESTREAM_PROCESSES": "web wroker"}, "wroker"),
    ],
)
def test_what_could_not_work_is_refused_by_name(
    tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    rendered = Ingest(tmp_path, **variables).run("deploy.render", "ingest.conf")
    assert rendered.returncode != 0
    assert named in rendered.stderr
