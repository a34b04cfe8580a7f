"""The units for systemd: what its own tools say of them, and what app.sh asks of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installation import ROOT, free_port, wait_for_port

PARTS = "say environment account packages python front processes systemd"
UNITS = ("web", "worker", "edge", "ingest")
# systemd's own scale: 0 is closed, 10 is open; units of Debian's daemons have 9 mostly.
MOST_EXPOSED = 2.0

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is of Debian's systemd"
)


class Server:
    """A host on which systemd only notes what it is asked; its units are in a folder."""

    def __init__(self, folder: Path, version: int = 254) -> None:
        self.units, self.var, self.active = folder / "units", folder / "var", folder / "active"
        self._asked = folder / "asked"
        (folder / "bin").mkdir()
        self.units.mkdir()
        self.var.mkdir()
        systemctl = folder / "bin/systemctl"
        systemctl.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "systemd {version} (deb)" && exit\n'
            f'echo "$*" >>{self._asked}\n'
            f'[ "$1" != is-active ] || [ -e {folder}/active ]\n'
        )
        systemctl.chmod(0o755)
        self._environment = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "LIVESTREAM_UNITS": str(self.units),
        }

    def do(self, commands: str, **variables: str) -> str:
        """In the shell that app.sh makes."""
        script = (
            f'set -euo pipefail; ROOT={ROOT}; cd "$ROOT"\n'
            f"for part in {PARTS}; do source deploy/sh/$part.sh; done\n"
            f"export LIVESTREAM_VAR={self.var} LIVESTREAM_RUN={self.var}/run\n"
            f"LIVESTREAM_VENV={self.var}/venv; RUN_USER=www-data\n{commands}"
        )
        done = subprocess.run(
            ["bash", "-c", script], env=self._environment | variables,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines() if self._asked.exists() else []

    def forget(self) -> None:
        self._asked.unlink()

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["systemd-analyze", *arguments],
            env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{self.units}:"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path)
    server.do(f"write_units {server.units}")
    return server


def test_systemd_finds_nothing_wrong_with_them(server: Server) -> None:
    units = [f"livestream@{name}.service" for name in UNITS]
    found = server.analyze("verify", "--man=no", *units, "livestream.target")
    # Debian 12's systemd does not know it yet.
    said = [line for line in found.stdout.splitlines() if "DelegateSubgroup" not in line]
    assert [line for line in said if "livestream" in line] == []


@pytest.mark.parametrize("name", UNITS)
def test_they_are_closed_up(server: Server, name: str) -> None:
    found = server.analyze(
        "security", "--offline=true", "--no-pager", f"livestream@{name}.service"
    ).stdout
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", found)
    assert exposure is not None, found
    assert float(exposure[1]) <= MOST_EXPOSED


def test_they_name_the_places_and_the_user_of_the_installation(server: Server) -> None:
    text = (server.units / "livestream@.service").read_text()
    assert "/opt/" not in text
    assert f"WorkingDirectory={ROOT}\n" in text
    assert f"Environment=LIVESTREAM_VENV={server.var}/venv\n" in text
    assert f"ReadWritePaths={server.var}\n" in text
    assert "User=www-data\n" in text
    reload = (server.units / "livestream@edge.service.d/reload.conf").read_text()
    assert f"ExecReload={ROOT}/deploy/sh/process.sh edge-config\n" in reload


def test_a_stopped_worker_leaves_its_ffmpegs(server: Server) -> None:
    text = (server.units / "livestream@worker.service.d/ffmpeg.conf").read_text()
    assert "KillMode=process\n" in text


def test_limits_wait_for_a_systemd_that_can_start_a_worker_beside_ffmpegs(tmp_path: Path) -> None:
    old = Server(tmp_path, version=252)
    old.do(f"write_units {old.units}")
    assert not (old.units / "livestream@worker.service.d/limits.conf").exists()


def test_an_upgrade_restarts_one_process_after_the_other_and_reloads_the_edge(
    server: Server,
) -> None:
    server.do("restart_processes")
    assert server.asked == [
        "reload-or-restart livestream@edge",
        *[f"restart livestream@{name}" for name in ("origin", "web", "worker", "beat")],
    ]


def test_a_host_has_the_units_of_what_it_runs(server: Server) -> None:
    server.do(
        "OWN_REDIS=false; enable_units",
        LIVESTREAM_PROCESSES="worker",
        LIVESTREAM_DELIVER_TO="http://10.0.0.1:8092",
    )
    enabled = {line.rpartition("@")[2] for line in server.asked if line.startswith("enable")}
    assert enabled == {"worker", "courier"}


def redis_of(server: Server, url: str) -> subprocess.Popen[bytes]:
    """The installation's own, as its unit starts it."""
    for folder in ("conf", "run"):
        (server.var / folder).mkdir()
    return subprocess.Popen(
        [ROOT / "deploy/sh/process.sh", "redis"],
        env=os.environ
        | {
            "LIVESTREAM_VAR": str(server.var),
            "LIVESTREAM_RUN": f"{server.var}/run",
            "LIVESTREAM_VENV": sys.prefix,
            "REDIS_URL": url,
        },
        stdout=subprocess.DEVNULL,
    )


def test_a_second_installation_keeps_the_redis_that_the_first_one_began(server: Server) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    (server.var / "venv").symlink_to(sys.prefix)
    server.do("check_places() { :; }; RUN_USER=; install_units", REDIS_URL=url)
    assert "enable --quiet livestream@redis" in server.asked
    redis = redis_of(server, url)
    try:
        wait_for_port(port)
        server.forget()
        server.do("check_places() { :; }; RUN_USER=; install_units", REDIS_URL=url)
    finally:
        redis.terminate()
        redis.wait()
    assert "enable --quiet livestream@redis" in server.asked
    assert "disable --quiet --now livestream@redis" not in server.asked


@pytest.mark.parametrize("ran", [True, False])
def test_what_ran_by_units_goes_on_without_them(server: Server, ran: bool) -> None:
    if ran:
        server.active.touch()
    said = server.do("start_processes() { echo started; }; remove_units")
    assert ("started" in said) is ran
    assert "./deploy/app.sh start" in said  # or nobody would know how to
    assert list(server.units.iterdir()) == []
    assert "disable --now livestream.target" in server.asked


def test_units_of_another_installation_are_not_ours(server: Server) -> None:
    assert server.do("if by_systemd; then echo ours; fi") == "ours\n"
    assert server.do("LIVESTREAM_VAR=/srv/other; if by_systemd; then echo ours; fi") == ""
