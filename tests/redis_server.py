"""A pytest plugin: the environment of the tests, with a private Redis on a free loopback port.

It works at import, because Django reads its settings before any fixture runs.
"""

import atexit
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_redis(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server; itself and its URL once it takes connections. It ends with the tests."""
    port = _free_port()
    server = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
         "--appendonly", "no", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    atexit.register(server.wait)
    atexit.register(server.terminate)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"redis://127.0.0.1:{port}/0"
        time.sleep(0.02)
    raise RuntimeError(f"redis-server did not take connections on port {port} within 10 s")


_folder = Path(tempfile.mkdtemp(prefix="livestream-test-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ.update(
    DJANGO_SETTINGS_MODULE="livestream.settings",
    LIVESTREAM_VAR=str(_folder),
    REDIS_URL=start_redis(_folder)[1],
    SECRET_KEY=secrets.token_urlsafe(50),
    LIVESTREAM_INGEST_SECRET=secrets.token_urlsafe(24),
    DEBUG="false",
)
