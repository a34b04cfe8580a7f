"""`manage.py broadcasts`: what an administrator reads on a terminal."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from streams.models import Broadcast, Run, Stream
from streams.supervisor.states import BroadcastState, RunState

CountQueries = Callable[[int], AbstractContextManager[None]]


def broadcasts(*arguments: str) -> str:
    output = StringIO()
    call_command("broadcasts", *arguments, stdout=output)
    return output.getvalue()


def squeezed(line: str) -> str:
    return " ".join(line.split())


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(broadcasts("--json"))
    return found


def on_air(name: str) -> Broadcast:
    stream = Stream.objects.create(name=name)
    broadcast = Broadcast.objects.create(
        stream=stream,
        open_key=stream.pk,
        state=BroadcastState.LIVE,
        holder="studio:4026531836:812:99182:ab12cd34",
        lease_until=timezone.now() + timedelta(seconds=12),
        ingest_address="203.0.113.7",
        restarts=2,
    )
    Run.objects.create(
        broadcast=broadcast, number=3, fence=1, host="studio", pid=4321,
        state=RunState.RUNNING, fps=29.97, speed=0.998, cpu=0.83,
    )  # fmt: skip
    return broadcast


@pytest.mark.django_db
def test_with_nothing_on_air_it_says_so() -> None:
    assert broadcasts() == "Nothing is on air.\n"
    assert listed() == []


@pytest.mark.django_db
def test_it_lists_what_is_on_air_in_columns() -> None:
    on_air("garden")
    head, line = broadcasts().splitlines()
    columns = "STREAM STATE HOST PID LEASE FPS SPEED CPU RESTARTS PUBLISHER NOTE"
    assert squeezed(head) == columns
    assert squeezed(line) == "garden live studio 4321 studio 12 s 30 1.00x 0.83 2 203.0.113.7"
    assert head.index("PUBLISHER") == line.index("203.0.113.7")


@pytest.mark.django_db
def test_what_nobody_drives_and_nobody_publishes_is_told_as_such() -> None:
    on_air("garden")
    Broadcast.objects.update(
        holder="", publisher_gone_at=timezone.now(), end_note="It failed.", ladder_note="No room."
    )
    Run.objects.update(state=RunState.ENDED)
    line = broadcasts().splitlines()[1]
    assert squeezed(line) == "garden live - - nobody - - - 2 gone It failed. No room."


@pytest.mark.django_db
def test_a_lease_that_ran_out_is_nobodys() -> None:
    on_air("garden")
    Broadcast.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert (listed()[0]["lease_host"], listed()[0]["lease_seconds"]) == (None, 0.0)


@pytest.mark.django_db
def test_programs_read_figures_instead_of_texts() -> None:
    broadcast = on_air("garden")
    Broadcast.objects.update(findings=[{"code": "no_audio", "advice": "Look at the mixer."}])
    [row] = listed()
    assert (row["id"], row["pid"], row["run"], row["cpu"]) == (str(broadcast.pk), 4321, 3, 0.83)
    assert row["findings"] == ["no_audio"]


@pytest.mark.django_db
def test_what_is_over_is_not_listed_and_the_rest_stands_in_order() -> None:
    for name in ("b", "a", "over"):
        on_air(name)
    over = Broadcast.objects.get(stream__name="over")
    Broadcast.objects.filter(pk=over.pk).update(open_key=None)
    assert [row["stream"] for row in listed()] == ["a", "b"]


@pytest.mark.django_db
def test_many_take_no_more_queries_than_one(django_assert_num_queries: CountQueries) -> None:
    for number in range(5):
        on_air(f"stream-{number}")
    with django_assert_num_queries(3):  # broadcasts, their streams, their runs
        broadcasts()
