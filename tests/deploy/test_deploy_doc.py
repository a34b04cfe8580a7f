"""docs/deploy.md: its commands for backup and restore are run as they stand there."""

import getpass
import os
import secrets
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.management import CommandError, call_command

from streams.origin.app import FOREVER, FRESH
from tests import mongod
from tests.deploy.guide import block, settings
from tests.deploy.installation import ROOT, Installation

pytestmark = pytest.mark.acceptance  # processes and a database of their own


# Debian has this user everywhere.
SERVICE = "daemon"
TO_HAND_OVER = """
ROOT=$PWD LIVESTREAM_VENV=$LIVESTREAM_VAR/venv ENV_FILE=$LIVESTREAM_VAR/env
for part in say environment account python processes systemd; do source deploy/sh/$part.sh; done
choose_account; LIVESTREAM_RUN=$LIVESTREAM_VAR/run; hand_over; make_folders; manage migrate
"""


class Place:
    """A checkout with a state folder, in which commands of the guide mean what they say."""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.var, self.backup = folder, folder / "var", folder / "livestream-backup"
        self.var.mkdir()
        self._in = ["unshare", "--mount"] if user == SERVICE else []
        self._before = ""
        for name in ("manage.py", "livestream", "streams", "chat", "templates", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        (self.var / "venv/bin").mkdir(parents=True)
        (self.var / "venv/bin/python").symlink_to(self._python(user))
        (self.var / "env").write_text("SECRET_KEY=one\nLIVESTREAM_INGEST_SECRET=two\n")
        (self.var / "env").chmod(0o600)
        database = f"{mongod.uri_for(folder)}" if mongod.ON_MONGODB else ""
        self._environment = {
            "PATH": os.environ["PATH"], "LIVESTREAM_VAR": str(self.var), "MONGODB_URI": database,
            "LIVESTREAM_USER": user, "HOME": str(folder),
        }  # fmt: skip

    def _python(self, user: str) -> Path:
        program, interpreter = self.folder / "python", self.folder / "interpreter"
        interpreter.mkdir()
        home = ""
        if user == SERVICE:
            # Whoever develops may have one in a folder that nobody else may enter.
            self._before = f"mount --bind {sys.base_prefix} {interpreter};"
            home = f"PYTHONHOME={interpreter} LD_LIBRARY_PATH={interpreter}/lib"
            home += f" PYTHONPATH={sysconfig.get_path('purelib')}"
        else:
            interpreter.rmdir()
            interpreter.symlink_to(sys.prefix)
        program.write_text(f'#!/bin/sh\n{home} exec {interpreter}/bin/python3 "$@"\n')
        program.chmod(0o755)
        return program

    def run(self, commands: str) -> str:
        done = subprocess.run(
            [*self._in, "bash", "-euo", "pipefail", "-c", f"umask 022; {self._before}{commands}"],
            cwd=self.folder, env=self._environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def prepare(self) -> None:
        """What setup does there, without installing and starting anything."""
        self.run(TO_HAND_OVER)

    def shell(self, code: str) -> str:
        return self.run(f'./deploy/app.sh manage shell --verbosity 0 -c "{code}"').strip()

    def streams(self) -> str:
        return self.shell(
            "from streams.models import Stream, StreamKey;"
            "names = Stream.objects.values_list('name', flat=True);"
            "print(sorted(names), StreamKey.objects.count())"
        )

    def open_to_others(self) -> list[str]:
        files = [file for file in self.backup.rglob("*") if file.stat().st_mode & 0o077]
        return [*map(str, files)] + ["folder"] * bool(self.backup.stat().st_mode & 0o077)


@pytest.fixture(params=[getpass.getuser(), SERVICE])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == SERVICE and os.getuid() != 0:
        pytest.skip("only root may give files to another user")
    # pytest's own folders cannot be reached by others.
    with TemporaryDirectory(prefix="livestream-place.") as folder:
        Path(folder).chmod(0o755)
        place = Place(Path(folder), request.param)
        place.prepare()
        place.shell(
            "from streams.models import Stream, StreamKey;"
            "StreamKey.issue(Stream.objects.create(name='garden'))"
        )
        yield place


ADD_ONE = "from streams.models import Stream; Stream.objects.create(name='later')"


def test_what_was_in_a_backup_of_sqlite_is_there_again(place: Place) -> None:
    if mongod.ON_MONGODB:
        pytest.skip("SQLite's own way; the other one is for both")
    place.run(block("backup-sqlite"))
    place.shell("from streams.models import Stream; Stream.objects.create(name='second')")
    before = place.streams()
    place.run(block("backup-sqlite"))  # takes the first one's place
    assert place.open_to_others() == []
    place.shell(ADD_ONE)
    (place.var / "env").write_text("SECRET_KEY=another\n")
    place.run(block("restore-sqlite"))
    place.prepare()
    assert place.streams() == before
    assert "SECRET_KEY=one" in (place.var / "env").read_text()


def test_what_was_in_a_file_for_both_is_there_again(place: Place) -> None:
    place.run(block("backup-any"))
    place.shell("from streams.models import Stream; Stream.objects.create(name='second')")
    before = place.streams()
    place.run(block("backup-any"))
    assert place.open_to_others() == []
    place.shell(ADD_ONE)
    place.run(block("restore-any"))
    assert place.streams() == before


def test_a_backup_that_fails_says_so_and_leaves_the_one_before(place: Place) -> None:
    place.run(block("backup-any"))
    before = (place.backup / "database.json").read_bytes()
    (place.var / "venv/bin/python").unlink()
    with pytest.raises(AssertionError, match="not set up"):
        place.run(block("backup-any"))
    assert (place.backup / "database.json").read_bytes() == before


def test_a_careful_umask_keeps_nothing_from_who_runs_the_processes(place: Place) -> None:
    own = "import os; print(os.umask(0))"
    said = place.run(f"umask 077; ./deploy/app.sh manage shell --verbosity 0 -c '{own}'")
    assert said.strip() == str(0o022)


def test_a_snapshot_of_mongodb_says_what_to_do_instead() -> None:
    if not mongod.ON_MONGODB:
        pytest.skip("SQLite has snapshots")
    with pytest.raises(CommandError, match="dumpdata"):
        call_command("snapshot")


def test_the_variables_of_the_guide_are_those_there_are() -> None:
    example = (ROOT / "deploy/env.example").read_text()
    for name in ("all", "stores", "web", "web2", "public", "ingest", "origin", "worker", "edge"):
        for line in block(name).splitlines():
            assert f"\n{line.partition('=')[0]}=" in example


DJANGO = {"DJANGO_SETTINGS_MODULE": "livestream.settings"}


def test_what_the_guide_sets_up_for_the_public_is_safe(tmp_path: Path) -> None:
    """Django's own checks, and ours, have nothing to say against it."""
    common = settings("all", "stores") | {"SECRET_KEY": secrets.token_hex(32)}
    for web in ("web", "web2"):
        variables = common | settings(web, "public") | DJANGO
        checked = Installation(tmp_path, **variables).run("django", "check", "--deploy")
        assert checked.returncode == 0, checked.stderr
        assert "no issues" in checked.stdout + checked.stderr, checked.stderr


def test_what_the_guide_shows_of_a_cache_is_what_it_is_told() -> None:
    guide = (ROOT / "docs/deploy.md").read_text()
    assert f"`{FRESH['Cache-Control']}`" in guide
    assert f"`{FOREVER['Cache-Control']}`" in guide


def test_every_place_the_guide_sets_up_can_be_rendered(tmp_path: Path) -> None:
    for name, configuration in (
        ("ingest", "ingest.conf"), ("origin", "edge.conf"), ("edge", "edge-cache.conf"),
    ):  # fmt: skip
        var = tmp_path / name
        var.mkdir()
        rendered = Installation(var, **settings(name)).run("deploy.render", configuration)
        assert rendered.returncode == 0, rendered.stderr
