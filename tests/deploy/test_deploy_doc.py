"""docs/deploy.md: its commands for backup and restore are run as they stand there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.origin.app import FOREVER, FRESH
from tests import mongod
from tests.deploy.guide import block
from tests.deploy.installation import ROOT, Installation

pytestmark = pytest.mark.acceptance  # processes and a database of their own


class Place:
    """A checkout with a state folder, in which commands of the guide mean what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.var = folder, folder / "var"
        self.var.mkdir()
        for name in ("manage.py", "livestream", "streams", "chat", "templates", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        (self.var / "venv").symlink_to(sys.prefix)
        (self.var / "env").write_text("SECRET_KEY=one\nLIVESTREAM_INGEST_SECRET=two\n")
        database = f"{mongod.uri_for(folder)}" if mongod.ON_MONGODB else ""
        self._environment = {
            "PATH": os.environ["PATH"], "LIVESTREAM_VAR": str(self.var), "MONGODB_URI": database,
        }  # fmt: skip

    def run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=self.folder, env=self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def shell(self, code: str) -> str:
        return self.run(f'var/venv/bin/python manage.py shell --verbosity 0 -c "{code}"').strip()

    def streams(self) -> str:
        return self.shell(
            "from streams.models import Stream, StreamKey;"
            "names = Stream.objects.values_list('name', flat=True);"
            "print(sorted(names), StreamKey.objects.count())"
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.run("var/venv/bin/python manage.py migrate")
    place.shell(
        "from streams.models import Stream, StreamKey;"
        "StreamKey.issue(Stream.objects.create(name='garden'))"
    )
    return place


def test_what_was_in_a_backup_of_sqlite_is_there_again(place: Place) -> None:
    if mongod.ON_MONGODB:
        pytest.skip("SQLite's own way; the other one is for both")
    before = place.streams()
    place.run(block("backup-sqlite"))
    place.shell("from streams.models import Stream; Stream.objects.create(name='later')")
    (place.var / "env").unlink()
    place.run(block("restore-sqlite"))
    assert place.streams() == before
    assert "SECRET_KEY=one" in (place.var / "env").read_text()


def test_what_was_in_a_file_for_both_is_there_again(place: Place) -> None:
    before = place.streams()
    place.run(block("backup-any"))
    place.shell("from streams.models import Stream; Stream.objects.create(name='later')")
    place.run(block("restore-any"))
    assert place.streams() == before


def test_the_variables_of_the_guide_are_those_there_are() -> None:
    example = (ROOT / "deploy/env.example").read_text()
    for name in ("all", "stores", "web", "web2", "ingest", "origin", "worker", "edge"):
        for line in block(name).splitlines():
            assert f"\n{line.partition('=')[0]}=" in example


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
        settings = dict(line.split("=", 1) for line in block(name).splitlines())
        rendered = Installation(var, **settings).run("deploy.render", configuration)
        assert rendered.returncode == 0, rendered.stderr
