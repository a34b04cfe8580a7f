"""Who gets how much of a host."""

import dataclasses
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections
from django.utils import timezone

from streams import capacity
from streams.capacity import Admission, Load, admit, plan
from streams.identity import HOST
from streams.ladder import cost
from streams.ladder.renditions import choose
from streams.ladder.rungs import DEFAULT_RUNGS
from streams.ladder.source import Audio, Source, Video
from streams.models import Broadcast, Host, Run, Stream
from streams.supervisor.roles import Unavailable
from streams.supervisor.states import RunState

FULL_HD = Source(Video("h264", 1920, 1080, 30), Audio("aac", 48_000, 2))
LADDER = choose(FULL_HD, DEFAULT_RUNGS, allow_copy=True)
ENCODED = choose(FULL_HD, DEFAULT_RUNGS, allow_copy=False)
FREE = Load(cores=8, used=0, factor=1, broadcasts=0)
FILLED = Load(cores=8, used=7.9, factor=1, broadcasts=9)


@pytest.fixture(autouse=True)
def _eight_cores(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CPU_SHARE = 1.0
    monkeypatch.setattr("streams.supervisor.isolation.usable_cores", lambda: 8.0)


@pytest.mark.parametrize(
    ("reckoned", "room", "elsewhere", "waited", "expected"),
    [
        (1.0, True, False, 0.0, Admission.FULL),
        (1.0, True, True, 0.0, Admission.FULL),
        (1.0, False, True, 0.0, Admission.WAIT),
        (1.0, False, True, 2.9, Admission.WAIT),
        (1.0, False, True, 3.0, Admission.COPY_ONLY),
        (1.0, False, False, 0.0, Admission.COPY_ONLY),
        (0.02, False, True, 0.0, Admission.FULL),
    ],
)
def test_who_is_let_in(
    reckoned: float, room: bool, elsewhere: bool, waited: float, expected: Admission
) -> None:
    assert admit(reckoned, room=room, elsewhere=elsewhere, waited=waited) is expected


@pytest.mark.parametrize(
    ("load", "reckoned", "expected"),
    [
        (Load(2.0, 1.0, 1.0, 1), 1.0, True),
        (Load(2.0, 1.0, 1.0, 1), 1.1, False),
        (Load(2.0, 1.0, 0.5, 1), 1.9, True),  # its ladders use half of what was reckoned
        (Load(1.0, 0.0, 1.0, 0), 3.0, True),  # the first is always tried
    ],
)
def test_room_is_what_is_left_of_the_cores(load: Load, reckoned: float, expected: bool) -> None:
    assert load.room_for(reckoned) is expected


def names(made: capacity.Plan) -> str:
    return " ".join(rendition.name for rendition in made.renditions)


def test_a_host_with_room_makes_the_whole_ladder() -> None:
    made = plan(FULL_HD, LADDER, 0, FREE)
    assert (made.renditions, made.copy_only, made.note) == (LADDER, False, "")


def test_a_full_host_passes_the_source_on_and_says_so() -> None:
    made = plan(FULL_HD, LADDER, 0, FILLED)
    assert (names(made), made.copy_only) == ("1080p", True)
    assert made.note == (
        "No host has room for the broadcast's other qualities now; it is passed on as it is sent."
    )


def test_a_full_host_that_cannot_pass_it_on_makes_the_smallest() -> None:
    made = plan(FULL_HD, ENCODED, 0, FILLED)
    assert (names(made), made.copy_only) == ("360p", True)
    assert "its smallest quality only" in made.note


def test_what_was_shed_stays_away_and_that_is_said() -> None:
    made = plan(FULL_HD, LADDER, 1, FREE)
    assert (names(made), made.copy_only) == ("1080p 480p 360p", False)
    assert "too slow" in made.note


def test_a_source_without_a_ladder_lacks_nothing_on_a_full_host() -> None:
    alone = choose(FULL_HD, DEFAULT_RUNGS[:1], allow_copy=True)
    made = plan(FULL_HD, alone, 3, FILLED)
    assert (names(made), made.copy_only, made.note) == ("1080p", False, "")


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, source=dataclasses.asdict(FULL_HD)
    )


def run(broadcast: Broadcast, number: int = 1, **columns: Any) -> Run:
    columns = {
        "host": HOST,
        "state": RunState.RUNNING,
        "speed": 1.0,
        "started_at": timezone.now() - timedelta(minutes=1),
        "renditions": [dataclasses.asdict(rendition) for rendition in LADDER],
    } | columns
    return Run.objects.create(broadcast=broadcast, number=number, fence=1, **columns)


def test_only_live_runs_of_this_host_count(broadcast: Broadcast) -> None:
    run(broadcast, 1, cpu=4.0, state=RunState.ENDED)
    run(broadcast, 2, cpu=4.0, host="another")
    run(broadcast, 3, cpu=1.5)
    run(broadcast, 4, cpu=0.25)
    run(Broadcast.objects.create(stream=broadcast.stream), cpu=4.0)  # it is over
    assert capacity.load() == Load(cores=8.0, used=1.75, factor=1.0, broadcasts=2)


def test_a_share_of_the_cores_is_for_ladders(db: None, settings: LazySettings) -> None:
    settings.CPU_SHARE = 0.5
    assert capacity.load().cores == 4.0


def test_others_read_how_full_this_host_is(broadcast: Broadcast) -> None:
    run(broadcast, cpu=1.5)
    now = timezone.now()
    capacity.report(now - timedelta(seconds=3))
    capacity.report(now)
    host = Host.objects.get()
    assert (host.name, host.cores, host.used, host.broadcasts) == (HOST, 8.0, 1.5, 1)
    assert abs(host.seen_at - now) < timedelta(milliseconds=1)  # which MongoDB keeps


def test_what_ladders_really_use_is_learned(broadcast: Broadcast) -> None:
    run(broadcast, cpu=2 * cost.of(FULL_HD, LADDER))
    for _ in range(100):
        capacity.report(timezone.now())
    assert capacity.load().factor == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    "columns",
    [
        {"started_at": timezone.now() + timedelta(days=1)},  # not measured yet
        {"speed": 0.8},  # starved: it would use more
        {"renditions": [dataclasses.asdict(LADDER[0])]},
        {"renditions": [{"video": "x264", "of": "another version"}]},
    ],
)
def test_some_runs_teach_nothing(broadcast: Broadcast, columns: dict[str, Any]) -> None:
    run(broadcast, cpu=6.0, **columns)
    capacity.report(timezone.now())
    assert capacity.load().factor == 1.0


def test_a_host_that_fell_silent_has_no_room(db: None) -> None:
    now = timezone.now()
    host = Host.objects.create(name="another", cores=8, used=0, seen_at=now - timedelta(seconds=9))
    assert capacity.another_host_has_room(1.0, now)
    assert not capacity.another_host_has_room(1.0, now + timedelta(seconds=9))
    host.used, host.broadcasts = 7.5, 7
    host.save()
    assert not capacity.another_host_has_room(1.0, now)


def test_this_host_is_not_another(db: None) -> None:
    capacity.report(timezone.now())
    assert not capacity.another_host_has_room(1.0, timezone.now())


def test_hosts_that_are_gone_for_a_day_are_forgotten(db: None) -> None:
    now = timezone.now()
    Host.objects.create(name="old", seen_at=now - timedelta(days=2))
    Host.objects.create(name="new", seen_at=now)
    capacity.forget_hosts(now)
    assert [host.name for host in Host.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_start_at_once_each_counts_those_before_it(broadcast: Broadcast) -> None:
    full: list[bool] = []
    ready = threading.Barrier(12)

    def start(number: int) -> None:
        try:
            ready.wait(10)
            with capacity.deciding() as load:
                made = plan(FULL_HD, LADDER, 0, load)
                full.append(not made.copy_only)
                run(broadcast, number, cpu=made.cores)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(full) == int(8 / cost.of(FULL_HD, LADDER))
    assert capacity.load().used <= 8.0 + 0.5  # the others are copies


def test_a_decision_that_hangs_does_not_hold_up_all_others(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "DECIDED_WITHIN", 0.01)
    with capacity.deciding(), pytest.raises(Unavailable), capacity.deciding():
        pass
