"""`manage.py move_database`, both ways, with a real MongoDB and a real file."""

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pymongo import MongoClient

from chat.models import Message
from streams import transfer
from streams.management.commands import move_database
from streams.models import Broadcast, Event, Run, Stream, StreamKey, User
from tests import mongod
from tests.acceptance.stack import until
from tests.deploy.installation import ROOT
from tests.mongod import Mongod

# Another process has to see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    """The tests' own one, or one for these alone."""
    if mongod.SERVER is not None:
        yield mongod.SERVER
        return
    server = Mongod().start()
    yield server
    server.remove()


@pytest.fixture
def registry(stream: Stream, alice: User) -> Stream:
    """A row of each kind, with whatever refers to another."""
    group = Group.objects.create(name="moderators")
    group.permissions.add(Permission.objects.get(codename="delete_message"))
    alice.groups.add(group)
    alice.user_permissions.add(Permission.objects.get(codename="view_stream"))
    StreamKey.issue(stream)
    broadcast = Broadcast.objects.create(
        stream=stream, source={"video": {"fps": 29.97}}, renditions=[{"name": "720p"}]
    )
    Run.objects.create(broadcast=broadcast, number=1, fence=1, host="here", log_tail="é\n“x”\u2028")
    Event.objects.create(broadcast=broadcast, kind="live", text="Viewers can watch.")
    Message.objects.bulk_create(
        Message(stream=stream, author=alice if n % 2 else None, name="bob", text=f"message {n}")
        for n in range(1200)
    )
    Session.objects.create(session_key="k", session_data="d", expire_date=timezone.now())
    LogEntry.objects.create(
        user=alice,
        content_type=ContentType.objects.get_for_model(Stream),
        object_id=str(stream.pk),
        object_repr="stream",
        action_flag=CHANGE,
    )
    return stream


def move(to: str) -> str:
    said = io.StringIO()
    call_command("move_database", to=to, stdout=said)
    return said.getvalue()


def there(code: str, **environment: str) -> str:
    """What Python says in the other database's environment."""
    run = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", code], cwd=ROOT,
        env=os.environ | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


FACTS = """
from django.contrib.admin.models import LogEntry
from chat.models import Message
from streams import transfer
from streams.models import Broadcast, Run, Stream, StreamKey, User
alice, stream = User.objects.get(username="alice"), Stream.objects.get(name="stream")
entry = LogEntry.objects.get()
print([
    transfer.count(),
    stream.pk, stream.owner_id == alice.pk, stream.ladder_id, len(stream.ladder.rungs()),
    alice.password, alice.has_perm("chat.delete_message"), alice.has_perm("streams.view_stream"),
    StreamKey.objects.get().digest,
    Broadcast.objects.get().source, Broadcast.objects.get().renditions, Run.objects.get().log_tail,
    [m.pk for m in Message.objects.order_by("created_at", "pk")],
    Message.objects.first().created_at,
    entry.user_id, entry.content_type.model, entry.object_id,
])
"""


def facts_here() -> str:
    said = io.StringIO()
    exec(FACTS, {"print": lambda fact: said.write(repr(fact))})
    return said.getvalue()


def test_everything_arrives_at_mongodb(registry: Stream, server: Mongod, tmp_path: Path) -> None:
    uri = f"mongodb://{server.address}/{tmp_path.name}"
    alice = User.objects.get(username="alice")
    said = move(uri)
    assert "1200 chat.Message" in said
    assert "MONGODB_URI='mongodb://…' ./deploy/app.sh setup" in said
    assert there(FACTS, MONGODB_URI=uri) == facts_here()
    assert User.objects.get(pk=alice.pk).password == alice.password


def test_everything_arrives_at_sqlite(registry: Stream, tmp_path: Path) -> None:
    file = tmp_path / "moved.sqlite3"
    said = move(f"sqlite://{file}")
    assert f"LIVESTREAM_SQLITE='{file}'" in said
    assert there(FACTS, MONGODB_URI="", LIVESTREAM_SQLITE=str(file)) == facts_here()


def test_there_and_back_is_the_same(registry: Stream, server: Mongod, tmp_path: Path) -> None:
    uri, file = f"mongodb://{server.address}/{tmp_path.name}", tmp_path / "back.sqlite3"
    move(uri)
    there(f"from django.core.management import call_command as c; c('move_database', to='{file}')",
          MONGODB_URI=uri)  # fmt: skip
    assert there(FACTS, MONGODB_URI="", LIVESTREAM_SQLITE=str(file)) == facts_here()


def test_a_database_with_rows_is_refused(
    registry: Stream, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "filled.sqlite3"
    there(
          "from django.core.management import call_command as c; c('migrate', verbosity=0); "
          "from streams.models import User; User.objects.create(username='eve')",
          MONGODB_URI="", LIVESTREAM_SQLITE=str(file))  # fmt: skip
    with pytest.raises(CommandError, match="Nothing was moved"):
        move(str(file))
    assert "not empty: it has rows of streams.User" in capfd.readouterr().err
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT username FROM streams_user").fetchall() == [("eve",)]


def test_nothing_is_moved_while_something_is_on_air(registry: Stream, tmp_path: Path) -> None:
    Broadcast.objects.create(stream=registry, open_key=registry.pk)
    with pytest.raises(CommandError, match="on air"):
        move(str(tmp_path / "x.sqlite3"))
    assert not (tmp_path / "x.sqlite3").exists()


@pytest.mark.parametrize("to", ["postgres://localhost/x", "sqlite://", ""])
def test_an_address_of_another_kind_is_refused(to: str) -> None:
    with pytest.raises(CommandError, match="--to"):
        move(to)


def test_a_wrong_address_is_said_without_its_password(
    registry: Stream, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="Nothing was moved"):
        move("mongodb://root:s3cret@127.0.0.1")
    said = capfd.readouterr().err
    assert "names no database" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("kind", ["mongodb", "sqlite"])
def test_a_move_whose_receiver_is_killed_says_so_and_can_be_done_again(
    registry: Stream, server: Mongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before, receivers = facts_here(), []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **how: Any) -> None:
            super().__init__(*arguments, **how)
            receivers.append(self)

    def to(name: str) -> str:
        if kind == "sqlite":
            return str(tmp_path / f"{name}.sqlite3")
        return f"mongodb://{server.address}/{tmp_path.name}-{name}"

    def stored() -> int:
        if kind == "sqlite":
            with closing(sqlite3.connect(to("half"))) as database:
                counted: int = database.execute("SELECT count(*) FROM chat_message").fetchone()[0]
                return counted
        with MongoClient[dict[str, Any]](server.address) as client:
            return client[f"{tmp_path.name}-half"]["chat_message"].estimated_document_count()

    rows = transfer.Sender._rows

    def killed_on_the_way(sender: transfer.Sender, model: type[Any]) -> Iterator[Any]:
        for number, row in enumerate(rows(sender, model)):
            yield row
            if (model, number) == (Message, 1100):
                until(stored, 20, "some of it is stored")
                receivers[0].kill()

    with monkeypatch.context() as killed:
        killed.setattr(subprocess, "Popen", Popen)
        killed.setattr(transfer.Sender, "_rows", killed_on_the_way)
        with pytest.raises(CommandError, match=r"SIGKILL ended.*Empty that database"):
            move(to("half"))
    assert 0 < stored() < 1200
    assert facts_here() == before
    with pytest.raises(CommandError, match="Nothing was moved"):
        move(to("half"))
    move(to("whole"))
    environment = move_database._environment(to("whole"))
    assert there(FACTS, **environment) == before


def test_a_row_that_is_written_meanwhile_is_noticed(
    registry: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = transfer.Sender.write

    def say_more(sender: transfer.Sender, lines: io.StringIO) -> None:
        write(sender, lines)
        Message.objects.create(stream=registry, name="bob", text="late")

    monkeypatch.setattr(transfer.Sender, "write", say_more)
    with pytest.raises(CommandError, match=r"chat\.Message: 1201 here, 1200 there"):
        move(str(tmp_path / "x.sqlite3"))


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite lets no row lose its parent")
def test_what_lost_its_parent_stays_behind(registry: Stream, tmp_path: Path) -> None:
    alice = User.objects.get(username="alice")
    connection.database["streams_user"].delete_one({"_id": alice.pk.hex})
    LogEntry.objects.all().delete()
    User.groups.through.objects.all().delete()
    User.user_permissions.through.objects.all().delete()
    connection.database["streams_broadcast"].delete_many({})
    said = move(str(tmp_path / "x.sqlite3"))
    assert "1 streams.Run left out" in said
    assert "1 streams.Event left out" in said
    code = "from streams.models import Stream; print(Stream.objects.get().owner_id)"
    file = str(tmp_path / "x.sqlite3")
    assert there(code, MONGODB_URI="", LIVESTREAM_SQLITE=file) == "None"


def test_the_file_that_names_the_database_in_use_is_not_asked_for_the_other_one(
    tmp_path: Path,
) -> None:
    for to in (f"{tmp_path}/there.sqlite3", "mongodb://elsewhere/there"):
        environment = move_database._environment(to)
        assert (environment["MONGODB_URI_FILE"], environment["MONGODB_NAME"]) == ("", "")
