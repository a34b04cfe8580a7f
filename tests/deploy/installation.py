"""An installation's state folder for tests: rendered configs, a stub backend, a real nginx."""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    with ExitStack() as open_together:
        listeners = [open_together.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


class Installation:
    """`var` with the environment of an installation that has it; ports of its own."""

    def __init__(self, var: Path, **variables: str) -> None:
        self.var = var
        parts = ("RTMP", "WEB", "EDGE", "BACKEND")
        self.ports = dict(zip(parts, free_ports(len(parts)), strict=True))
        self.secret = secrets.token_urlsafe(24)
        for folder in ("run", "conf", "log", "hls", "static"):
            (var / folder).mkdir(mode=0o700, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "LIVESTREAM_VAR": str(var),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "LIVESTREAM_INGEST_SECRET": self.secret,
            **{f"LIVESTREAM_{part}_PORT": str(port) for part, port in self.ports.items()},
            **variables,
        }

    def run(self, *module: str) -> subprocess.CompletedProcess[str]:
        """`python -m …` in this environment."""
        return subprocess.run(
            [sys.executable, "-m", *module],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    @contextmanager
    def serving(self, name: str, part: str) -> Iterator[None]:
        """An nginx of this configuration, which listens on the port of that part."""
        rendered = self.run("deploy.render", name)
        assert rendered.returncode == 0, rendered.stderr
        nginx = self.nginx(name)
        try:
            wait_for_port(self.ports[part])
            yield
        finally:
            nginx.terminate()
            nginx.wait(10)

    def nginx(self, name: str) -> subprocess.Popen[bytes]:
        """Start an nginx of its rendered configuration."""
        command = ["nginx", "-e", "stderr", "-p", str(self.var), "-c", f"{self.var}/conf/{name}"]
        with (self.var / "log" / name).open("wb") as log:
            return subprocess.Popen(command, env=self.environment, stderr=log)


class EchoBackend(BaseHTTPRequestHandler):
    """Answers every GET with what it got: {"path": …, "headers": {…}}."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    # Five would refuse a rush.
    request_queue_size = 128


def serve(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class UnixServer(ThreadingHTTPServer):
    """Listens on a socket of the file system."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("unix", 0)


def serve_unix(path: Path, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = UnixServer(str(path), handler)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def lost_port(port: int = 0) -> Iterator[int]:
    """One from which nobody answers, as of a host that is off: its queue is full, so what comes is
    dropped."""
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind(("127.0.0.1", port))
        full.listen(0)
        for _ in range(2):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")
