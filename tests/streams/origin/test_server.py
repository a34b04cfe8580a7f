"""The origin as a process: a real uvicorn on a Unix socket."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.health import Answer, get
from tests.acceptance.stack import until
from tests.deploy.installation import ROOT
from tests.streams.origin.conftest import BROADCAST, STREAM, Station

FRAMEWORKS = ("django", "channels", "celery", "livestream")


class Server:
    """$LIVESTREAM_VAR is the folder above the station's root."""

    def __init__(self, var: Path) -> None:
        self._environment = {"PATH": os.environ["PATH"], "LIVESTREAM_VAR": str(var)}
        self._socket = str(var / "origin.sock")
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "streams.origin.server:app", "--uds", self._socket,
             "--lifespan", "off", "--log-level", "warning"],
            cwd=ROOT, env=self._environment,
        )  # fmt: skip
        until(self.answers, 20, "an answer of the origin")
        return self.process

    def answers(self) -> bool:
        try:
            return self.get("/hls/").status == 404
        except OSError:
            return False

    def get(self, path: str) -> Answer:
        return get(f"unix:{self._socket}", path, https=False)


@pytest.fixture
def server(station: Station) -> Iterator[Server]:
    server = Server(station.root.parent)
    yield server
    server.process.kill()
    server.process.wait(10)


def test_it_starts_again_over_the_socket_of_one_that_was_killed(
    station: Station, server: Server
) -> None:
    station.open_run("720p").write(1)
    path = f"/hls/{STREAM}/{BROADCAST}/720p.m3u8"
    before = server.get(path)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(10)
    server.start()
    assert (before.status, server.get(path)) == (200, before)


def test_it_loads_no_framework() -> None:
    code = "import sys, streams.origin.server; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"LIVESTREAM_VAR": "/nowhere"},
    )  # fmt: skip
    assert not set(FRAMEWORKS) & set(run.stdout.split())
