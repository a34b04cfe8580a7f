"""The product in containers of a real Docker Engine, driven by `deploy/app.sh docker`."""

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.answer import Answer, fetch
from tests.deploy.installation import ROOT, free_port

COMPOSE_FILE = ROOT / "deploy/docker-compose.yml"
BASE = "python:3.12-slim-bookworm"
# What the images are made of, and app.sh.
SOURCES = (
    ".dockerignore", "manage.py", "requirements.txt", "package.json", "package-lock.json",
    "livestream", "streams", "chat", "templates", "deploy",
)  # fmt: skip
STAND_INS = {"mongo": ROOT / "tests/stand_ins/mongo", "redis": ROOT / "tests/stand_ins/redis"}


def docker(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], env=os.environ | variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip


def has_compose() -> bool:
    return shutil.which("docker") is not None and docker("compose", "version").returncode == 0


def why_no_engine() -> str:
    """Why nothing can be run in containers here; empty when it can."""
    if not has_compose():
        return "there is no `docker compose` on the PATH (or its plug-in in DOCKER_CONFIG)"
    engine = docker("version", "--format", "{{.Server.Version}}")
    if engine.returncode:
        return f"no Docker Engine answers: {engine.stderr.strip()}"
    if not has_image(BASE) and docker("pull", "--quiet", BASE).returncode:
        return f"the engine neither has the image {BASE} nor can pull it"
    return ""


def has_image(name: str) -> bool:
    return docker("image", "inspect", name).returncode == 0


def config(**variables: str) -> Any:
    """What docker compose makes of the file."""
    shown = docker(
        "compose", "-f", str(COMPOSE_FILE), "config", "--format", "json",
        **({"LIVESTREAM_SECRETS": "/nowhere"} | variables),
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


class StandIns:
    """Images of the stores under their official names, where the engine has them from nowhere."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self) -> None:
        for service in config()["services"].values():
            image: str = service["image"]
            folder = STAND_INS.get(image.partition(":")[0])
            if folder is None or has_image(image):
                continue
            if docker("pull", "--quiet", image).returncode:
                built = docker("build", "--quiet", "--tag", image, str(folder))
                assert built.returncode == 0, built.stderr
                self.made.append(image)

    def remove(self) -> None:
        """Nobody must find one under the official name."""
        for image in self.made:
            docker("rmi", image)


class Containers:
    """A checkout and a compose project of its own: ports, networks, volumes, secrets. `up` starts
    it."""

    def __init__(self) -> None:
        self.checkout = Path(tempfile.mkdtemp(prefix="ls-docker-", dir="/tmp"))
        self.var = self.checkout / "var"
        self._copy()
        self.web, self.edge, self.rtmp = (free_port() for _ in range(3))
        self.project = f"livestream-test-{os.getpid()}"
        self.variables = {
            "COMPOSE_PROJECT_NAME": self.project,
            "LIVESTREAM_VAR": str(self.var),
            "LIVESTREAM_USER": getpass.getuser(),
            "LIVESTREAM_VERSION": "test",
            "LIVESTREAM_WEB_PORT": str(self.web),
            "LIVESTREAM_EDGE_PORT": str(self.edge),
            "LIVESTREAM_RTMP_PORT": str(self.rtmp),
            "LIVESTREAM_NETWORK": "172.30.246",
            "LIVESTREAM_FRONT_NETWORK": "172.30.247",
        }
        self.key = ""
        self.password = ""
        self.notes: list[str] = []

    def _copy(self) -> None:
        ignored = shutil.ignore_patterns("__pycache__", ".env")
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.checkout / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, self.checkout / name)

    def pull(self) -> None:
        """As `git pull` does: another version of the code."""
        with (self.checkout / "livestream/__init__.py").open("a") as file:
            file.write("# newer\n")

    def shell(self, commands: str) -> str:
        """As who lives there and reads the guide types them; what they print."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=self.checkout,
            env=os.environ | self.variables | {"HOME": str(self.checkout)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + self.state()
        return done.stdout

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`deploy/app.sh docker …`"""
        return subprocess.run(
            [str(self.checkout / "deploy/app.sh"), "docker", *arguments],
            env=os.environ | self.variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=500,
        )  # fmt: skip

    def app(self, *arguments: str) -> str:
        """The same, if it succeeds; what it prints."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stdout + self.state()
        return done.stdout

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Plain docker compose, as who prefers it calls it."""
        return docker(
            "compose", "-f", str(self.checkout / "deploy/docker-compose.yml"), *arguments,
            **self.variables,
        )  # fmt: skip

    def state(self) -> str:
        """For the message of a failure."""
        return self.compose("ps", "--all").stdout + self.compose("logs", "--tail", "30").stdout

    def up(self) -> str:
        started = time.monotonic()
        said = self.app("up")
        self.note("docker up to healthy, images built", started)
        return said

    def first_up(self) -> None:
        said = self.up()
        self.key = re.search(r"Stream key +(\S+)", said)[1]  # type: ignore[index]
        self.password = re.search(r"Password +(\S+)", said)[1]  # type: ignore[index]

    def execute(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "-T", service, *command)

    def manage(self, *arguments: str) -> str:
        """What a manage.py command prints."""
        done = self.execute("web", "python", "manage.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, service: str, code: str) -> str:
        """What a Python in that container prints."""
        done = self.execute(service, "python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def inspect(self) -> dict[str, Any]:
        """What the engine says of each service's container."""
        ids = self.compose("ps", "--all", "--quiet").stdout.split()
        found = json.loads(docker("inspect", *ids).stdout)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def health(self) -> set[str]:
        """Of all containers that stay."""
        states = [one["State"] for one in self.inspect().values()]
        return {state["Health"]["Status"] for state in states if state["Status"] != "exited"}

    def secrets(self) -> dict[str, str]:
        """What is secret in each file: its long words."""
        files = (self.var / "secrets").iterdir()
        return {file.name: re.findall(r"[A-Za-z0-9]{32,}", file.read_text())[0] for file in files}

    def get(self, path: str, port: int | None = None, **headers: str) -> Answer:
        return fetch(port or self.web, path, **headers)

    def note(self, what: str, since: float) -> None:
        self.notes.append(f"{what}: {time.monotonic() - since:.1f} s")

    def remove(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
        self.forget_images()
        shutil.rmtree(self.checkout, ignore_errors=True)

    def forget_images(self) -> None:
        docker("rmi", "livestream-app:test", "livestream-nginx:test")

    def begin_trial(self) -> None:
        """On SQLite in the same checkout, as setup does without a database server."""
        (self.var / "venv").symlink_to(sys.prefix)
        (self.var / "env").write_text("SECRET_KEY=of-the-trial\n")
        self.shell("./deploy/app.sh manage migrate --verbosity 0")

    def leftovers(self) -> str:
        """What the engine still has of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        listed = [
            docker(*words, "--quiet", "--filter", label).stdout
            for words in (["ps", "--all"], ["network", "ls"], ["volume", "ls"])
        ]
        return "".join(listed)
