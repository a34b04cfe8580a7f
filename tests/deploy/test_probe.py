"""The health checks of containers: what they take for well, and what they say otherwise."""

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.deploy.installation import ROOT, EchoBackend, free_port, serve, serve_unix


class Unavailable(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"the worker is away")

    def log_message(self, format: str, *args: object) -> None:
        pass


def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.probe", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=20,
    )  # fmt: skip


def test_a_server_that_answers_is_well(tmp_path: Path) -> None:
    port = free_port()
    server, local = serve(port, EchoBackend), serve_unix(tmp_path / "s", EchoBackend)
    try:
        assert probe(f"http://127.0.0.1:{port}/api/streams").returncode == 0
        assert probe(f"unix:{tmp_path}/s:/stat").returncode == 0
    finally:
        server.server_close()
        local.server_close()


def test_another_status_is_told_with_what_the_server_said() -> None:
    port = free_port()
    server = serve(port, Unavailable)
    try:
        found = probe(f"http://127.0.0.1:{port}/health")
        assert (found.returncode, "503" in found.stderr) == (1, True)
        assert "the worker is away" in found.stderr
        assert probe(f"http://127.0.0.1:{port}/health", "503").returncode == 0
    finally:
        server.server_close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "unix:/nowhere/s:/stat"])
def test_nobody_there_is_told_without_a_traceback(url: str) -> None:
    found = probe(url)
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert url.split(":")[1].strip("/") in found.stderr


def test_a_file_is_well_while_it_is_young(tmp_path: Path) -> None:
    pattern = f"{tmp_path}/schedule*"
    assert "there is no" in probe("--younger", "60", pattern).stderr
    old, new = tmp_path / "schedule.dir", tmp_path / "schedule.dat"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    assert probe("--younger", "60", pattern).returncode == 0
    os.utime(new, (time.time() - 100, time.time() - 100))
    found = probe("--younger", "60", pattern)
    assert (found.returncode, "was last written 10" in found.stderr) == (1, True)
