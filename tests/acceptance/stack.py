"""The whole product on ports and in a state folder of its own, driven by deploy/app.sh."""

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests import mongod
from tests.acceptance.encoders import encoders
from tests.answer import Answer, fetch
from tests.deploy.installation import ROOT, free_ports

APP = ROOT / "deploy/app.sh"


class Stack:
    """An installation: `setup` starts it, `stop` ends it, `leftovers` tells what stayed."""

    def __init__(self) -> None:
        # Short, because sockets are in it.
        self.var = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
        self.web, self.edge, self.backend, self.rtmp, self.redis = free_ports(5)
        self.redis_password = secrets.token_hex(16)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LIVESTREAM_VAR": str(self.var),
            "LIVESTREAM_VENV": sys.prefix,
            # The folder of the tests is often closed to other users.
            "LIVESTREAM_USER": getpass.getuser(),
            "LIVESTREAM_WEB_PORT": str(self.web),
            "LIVESTREAM_EDGE_PORT": str(self.edge),
            "LIVESTREAM_BACKEND_PORT": str(self.backend),
            "LIVESTREAM_RTMP_PORT": str(self.rtmp),
            "REDIS_URL": f"redis://:{self.redis_password}@127.0.0.1:{self.redis}/0",
            "MONGODB_URI": mongod.uri_for(self.var),
        }
        self.key = ""
        self.password = ""
        self.notes: list[str] = []

    @property
    def ports(self) -> list[int]:
        return [self.web, self.edge, self.backend, self.rtmp, self.redis]

    def app(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`deploy/app.sh …` in this installation's environment."""
        return subprocess.run(
            [str(APP), *arguments],
            env=self.environment | variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
        )  # fmt: skip

    def setup(self) -> None:
        started = time.monotonic()
        done = self.app("setup")
        assert done.returncode == 0, done.stdout
        self.note("setup to healthy, programs installed", started)
        self.key = re.search(r"Stream key +(\S+)", done.stdout)[1]  # type: ignore[index]
        # So that a test need not wait for the one before it.
        self.shell("from streams.models import Stream; Stream.objects.update(grace_seconds=2)")
        self.password = re.search(r"Password +(\S+)", done.stdout)[1]  # type: ignore[index]

    def stop(self) -> None:
        stopped = self.app("stop")
        assert stopped.returncode == 0, stopped.stdout

    def remove(self) -> None:
        shutil.rmtree(self.var, ignore_errors=True)
        mongod.drop(self.var)

    def control(self, *arguments: str) -> str:
        """supervisorctl, for what app.sh has no word for."""
        return subprocess.run(
            [f"{sys.prefix}/bin/supervisorctl", "-s", f"unix://{self.var}/run/supervisor.sock",
             *arguments],
            capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip

    def running(self) -> dict[str, int]:
        """The processes that supervisord counts as running now, by name."""
        found = re.findall(r"^(\w+) +RUNNING +pid (\d+)", self.control("status"), re.M)
        return {name: int(pid) for name, pid in found}

    def pids(self) -> dict[str, int]:
        """The processes by name, once all of them run."""
        return until(
            lambda: found if len(found := self.running()) == 7 else {},
            15,
            "seven running processes",
        )

    @staticmethod
    def children(pid: int) -> list[int]:
        return [int(child) for child in _read(Path(f"/proc/{pid}/task/{pid}/children")).split()]

    def setting(self, name: str) -> str:
        """What setup wrote for it."""
        return re.search(rf"^{name}=(.*)$", (self.var / "env").read_text(), re.M)[1]  # type: ignore[index]

    def process_environment(self) -> dict[str, str]:
        """What supervisord gives its processes."""
        return self.environment | {
            "LIVESTREAM_RUN": f"{self.var}/run",
            "DJANGO_SETTINGS_MODULE": "livestream.settings",
        }

    def shell(self, code: str) -> str:
        """Run Python with this installation's models; what it prints."""
        return self.manage("shell", "--verbosity", "0", "-c", code)

    def manage(self, *arguments: str) -> str:
        """`manage.py …` of this installation; what it prints."""
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def foreground(self, *arguments: str) -> subprocess.Popen[str]:
        """`manage.py …` of this installation, for as long as it takes."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def add_stream(self, name: str, grace: int = 30) -> str:
        """Register a stream; its key."""
        return self.shell(
            "from streams.models import Stream, StreamKey\n"
            f"stream = Stream.objects.create(name={name!r}, grace_seconds={grace})\n"
            "print(StreamKey.issue(stream))"
        )

    def get(self, path: str, port: int | None = None, **headers: str) -> Answer:
        """A GET of the pages' port, or of another."""
        return fetch(port or self.web, path, **headers)

    def note(self, what: str, since: float) -> None:
        """A figure for the end of the test run."""
        self.notes.append(f"{what}: {time.monotonic() - since:.1f} s")

    @property
    def hls(self) -> Path:
        return self.var / "hls"

    def processes(self) -> list[int]:
        """Every process that has this installation in its command line or environment."""
        mark, own = str(self.var).encode(), str(os.getpid())
        others = (e for e in Path("/proc").iterdir() if e.name.isdecimal() and e.name != own)
        return [
            int(entry.name)
            for entry in others
            if mark in _read(entry / "environ") + _read(entry / "cmdline")
        ]

    def encoders(self) -> list[int]:
        """The pids of the FFmpegs that work for this installation."""
        return [encoder.pid for encoder in encoders(self.hls)]

    def leftovers(self) -> list[str]:
        """What should have gone with `stop`: processes and listening ports."""
        left = [_read(Path(f"/proc/{pid}/cmdline")).decode() for pid in self.processes()]
        return left + [f"port {port}" for port in self.ports if _answers(port)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\0", b" ")
    except OSError:  # it ended
        return b""


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


T = TypeVar("T")


def until(look: Callable[[], T], seconds: float, what: str) -> T:
    """Look again until it is true, and return it; what it was to be is in the failure."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found
