"""The account: what a service user may do in the state folder, and what only root may."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.installation import ROOT

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="gives files to another user")

# Debian has this user, with a group of its own, everywhere.
SERVICE = "daemon"
SCRIPT = """
set -euo pipefail
LIVESTREAM_VAR=$1 LIVESTREAM_RUN=$1/run LIVESTREAM_VENV=$1/venv ROOT=$PWD RUN_USER=
source deploy/sh/say.sh; source deploy/sh/account.sh; source deploy/sh/processes.sh
RUN_USER=$2 SUDO_USER=${3-}
hand_over; make_folders
state_owner
"""


@pytest.fixture
def var() -> Iterator[Path]:
    """A state folder that others can reach, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="livestream-account."))
    folder.chmod(0o755)
    state = folder / "var"
    (state / "venv/bin").mkdir(parents=True)
    (state / "env").write_text("SECRET_KEY=x\n")
    (state / "livestream.sqlite3").touch()
    yield state
    shutil.rmtree(folder)


def hand_over(var: Path, sudo_user: str = "") -> str:
    """Returns whose installation root will take it for."""
    script = ["bash", "-c", SCRIPT, "_", str(var), SERVICE, sudo_user]
    return subprocess.run(script, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def may(*command: str | Path) -> bool:
    """Whether the service user can do that."""
    as_service = ["setpriv", "--reuid", SERVICE, "--regid", SERVICE, "--init-groups"]
    return subprocess.run([*as_service, *command], capture_output=True).returncode == 0


def test_a_service_user_cannot_replace_what_root_runs(var: Path) -> None:
    hand_over(var)
    for name in ("venv", "node", "stamps", "env"):
        assert not may("mv", var / name, var / "x")
        assert not may("touch", var / name / "x")
    assert not may("tee", "-a", var / "env")


def test_a_service_user_makes_and_changes_its_own(var: Path) -> None:
    assert hand_over(var) == f"{SERVICE}\n"
    assert may("cat", var / "env")
    assert may("touch", var / "livestream.sqlite3", var / "livestream.sqlite3-wal")
    assert may("rm", var / "livestream.sqlite3-wal")
    for name in ("run", "log", "conf", "hls"):
        assert may("touch", var / name / "x")


def test_a_link_in_place_of_a_folder_is_not_followed_by_root(var: Path) -> None:
    hand_over(var)
    elsewhere = var.parent / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    assert may("mv", var / "run", var / "x")
    assert may("ln", "-s", elsewhere, var / "run")
    with pytest.raises(subprocess.CalledProcessError):
        hand_over(var)
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode & 0o777) == (0, 0o755)


def test_somebody_s_own_installation_stays_all_his(var: Path) -> None:
    hand_over(var)
    hand_over(var, sudo_user=SERVICE)
    assert (var.owner(), var.stat().st_mode & 0o7777) == (SERVICE, 0o750)
    assert (var / "env").owner() == SERVICE
