"""The repairs of the MongoDB engine. Each test fails without the repair it is named for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import DatabaseError, IntegrityError, connection
from django.db.models import QuerySet
from django.utils import timezone

from chat.models import Message
from streams.models import Broadcast, Event, Run, Stream, User
from tests import mongod
from tests.mongod import Mongod

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not mongod.ON_MONGODB, reason="is about MongoDB; TEST_DB=mongo runs it"),
]


@pytest.fixture
def stream() -> Stream:
    return Stream.objects.create(name="stream")


def plan(rows: QuerySet[Any]) -> list[str]:
    """The stages by which the server finds the rows, the last one first."""
    found = json.loads(rows.explain())
    stage = (found.get("queryPlanner") or found["stages"][0]["$cursor"]["queryPlanner"])[
        "winningPlan"
    ]
    stage = stage.get("queryPlan", stage)
    stages = []
    while stage:
        stages.append(stage["stage"])
        stage = stage.get("inputStage")
    return stages


def test_a_key_is_found_by_the_index_of_keys(stream: Stream) -> None:
    for rows in (
        Stream.objects.filter(pk=stream.pk),
        Broadcast.objects.filter(pk=stream.pk),
        Message.objects.filter(pk=stream.pk),
    ):
        assert "COLLSCAN" not in plan(rows.order_by())
        assert plan(rows.order_by())[-1] in ("IDHACK", "IXSCAN")
    assert Stream._meta.pk.column == "_id"


def test_a_unique_column_is_found_by_its_index(stream: Stream) -> None:
    for rows in (
        Stream.objects.filter(name="stream"),
        User.objects.filter(username="alice"),
        Broadcast.objects.filter(open_key=stream.pk),
        Session.objects.filter(session_key="x"),
        Run.objects.filter(broadcast=stream.pk, number=1),
        ContentType.objects.filter(app_label="streams", model="run"),
        User.groups.through.objects.filter(user=stream.pk, group="0" * 24),
    ):
        assert plan(rows.order_by())[-1] == "IXSCAN", rows.query


def test_unique_columns_may_be_empty_any_number_of_times(stream: Stream) -> None:
    Broadcast.objects.create(stream=stream, open_key=None)
    Broadcast.objects.create(stream=stream, open_key=None)
    Broadcast.objects.create(stream=stream, open_key=stream.pk)
    with pytest.raises(IntegrityError, match="duplicate key"):
        Broadcast.objects.create(stream=stream, open_key=stream.pk)


@pytest.mark.parametrize("text", [".*", "(", "st.eam", "^", "stream$", "\\w+"])
def test_iexact_takes_its_text_as_it_is(text: str, stream: Stream) -> None:
    assert not Stream.objects.filter(name__iexact=text).exists()
    assert Stream.objects.filter(name__iexact="STREAM").exists()


def test_an_order_is_read_from_its_index(stream: Stream) -> None:
    for rows in (
        Message.objects.filter(stream=stream).order_by("-created_at"),
        Broadcast.objects.filter(stream=stream).order_by("-started_at"),
        Event.objects.filter(broadcast=stream.pk).order_by("-at"),
        # As the admin's lists ask.
        Message.objects.order_by("-created_at", "-pk"),
        Broadcast.objects.order_by("-started_at", "-pk"),
        Broadcast.objects.filter(state="live").order_by("-started_at", "-pk"),
        Broadcast.objects.filter(end_reason="lost").order_by("-started_at", "-pk"),
        Run.objects.order_by("-started_at", "-pk"),
        Run.objects.filter(state="ended").order_by("-started_at", "-pk"),
        Run.objects.filter(end_reason="lost").order_by("-started_at", "-pk"),
        Stream.objects.order_by("name"),
        User.objects.order_by("username"),
    ):
        assert plan(rows[:50])[-2:] == ["FETCH", "IXSCAN"], rows.query
        assert "SORT" not in plan(rows[:50])


@pytest.fixture
def away() -> Iterator[None]:
    """The server does not answer."""
    with at(f"127.0.0.1:{mongod.free_port()}"):
        yield


def test_what_is_open_is_found_by_an_index(stream: Stream) -> None:
    """Every worker asks for it every few seconds, among all broadcasts there ever were."""
    Broadcast.objects.bulk_create(Broadcast(stream=stream) for _ in range(300))
    Broadcast.objects.create(stream=stream, open_key=stream.pk)
    found = json.loads(Broadcast.objects.filter(open_key__isnull=False).explain(
        verbosity="executionStats"))  # fmt: skip
    assert found["executionStats"]["totalDocsExamined"] == 1


@contextmanager
def at(address: str) -> Iterator[None]:
    """Django speaks to the server there, and waits for it half a second at most."""
    connection.close_pool()
    before = dict(connection.settings_dict)
    options = before["OPTIONS"] | {"serverSelectionTimeoutMS": 500}
    connection.settings_dict.update(HOST=f"mongodb://{address}/", OPTIONS=options)
    try:
        yield
    finally:
        connection.close_pool()
        connection.settings_dict.update(before)


@pytest.mark.usefixtures("away")
def test_a_server_that_is_away_is_a_database_error_with_words() -> None:
    broadcast = Broadcast(stream_id=None, started_at=timezone.now())
    for ask in (
        lambda: (connection.ensure_connection(), connection.get_database_version()),
        lambda: Stream.objects.first(),
        lambda: list(Stream.objects.all()),
        lambda: Stream.objects.update(title=""),
        lambda: Broadcast.objects.filter(pk=broadcast.pk).delete(),
        lambda: User.objects.create(username="bob"),
    ):
        with pytest.raises(DatabaseError, match="Connection refused"):
            ask()


def test_a_server_that_goes_while_rows_are_read_is_a_database_error(stream: Stream) -> None:
    """On a server of its own: more rows than come with the first answer."""
    server = Mongod().start()
    try:
        with at(server.address):
            User.objects.bulk_create(User(username=f"u{number}") for number in range(500))
            rows = User.objects.iterator(chunk_size=100)
            next(rows)
            server.kill()
            with pytest.raises(DatabaseError, match=r"closed|refused"):
                list(rows)
    finally:
        server.remove()
