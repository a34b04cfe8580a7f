"""Capacity: how many cores ladders may use on this host, how many they do, and who else has room.

Cost is measured: a run counts with the cores it uses, and before that is known with what its
ladder was reckoned to use, corrected by what this host's ladders really used so far.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from streams.identity import HOST
from streams.ladder import cost
from streams.ladder.reduce import copy_only, without_dearest
from streams.ladder.renditions import Rendition
from streams.ladder.source import Source, restored
from streams.models import Broadcast, Host, Run
from streams.supervisor import isolation
from streams.supervisor.roles import Unavailable
from streams.supervisor.states import AT_WORK

SEEN_WITHIN = timedelta(seconds=15)
# How long a broadcast is left to a host that has more room.
LONGEST_WAIT = 3.0
# Cores that are never worth a wait or a reduction.
NEXT_TO_NOTHING = 0.1
# Cores of a usual ladder, for a source that nobody has described yet.
USUAL = 1.0
SETTLED_AFTER = timedelta(seconds=40)
IN_TIME = 0.97
DECIDED_WITHIN = 5.0
COLUMNS = ("broadcast_id", "cpu", "speed", "started_at", "renditions")

_deciding = threading.Lock()


class Admission(Enum):
    FULL = "full"
    WAIT = "wait"
    COPY_ONLY = "copy only"


@dataclass(frozen=True)
class Load:
    """A host's. `cores` that FFmpegs may use and those `used`; `factor`: see `cost.learn`."""

    cores: float
    used: float
    factor: float
    broadcasts: int

    def room_for(self, reckoned: float) -> bool:
        """The first ladder is always tried: should it be too slow, it sheds renditions."""
        return not self.broadcasts or self.used + reckoned * self.factor <= self.cores


@dataclass(frozen=True)
class Plan:
    """What a run is to make. `cores`: what it will use, as far as can be told, `factor` included.
    `note`: why the ladder is shorter than it could be; empty: it is not."""

    renditions: tuple[Rendition, ...]
    cores: float
    factor: float
    copy_only: bool
    note: str


def admit(reckoned: float, *, room: bool, elsewhere: bool, waited: float) -> Admission:
    """`waited`: seconds that nobody has driven the broadcast."""
    if room or reckoned <= NEXT_TO_NOTHING:
        return Admission.FULL
    return Admission.WAIT if elsewhere and waited < LONGEST_WAIT else Admission.COPY_ONLY


def plan(source: Source, ladder: Sequence[Rendition], shed: int, load: Load) -> Plan:
    """The run of a broadcast that this host has taken."""
    renditions = without_dearest(ladder, shed)
    note = ""
    if len(renditions) < len(ladder):
        note = "This host was too slow for the whole ladder; its dearest qualities are left out."
    reckoned = cost.of(source, renditions)
    admission = admit(reckoned, room=load.room_for(reckoned), elsewhere=False, waited=0.0)
    reduced = admission is Admission.COPY_ONLY and len(copy_only(ladder)) < len(ladder)
    if reduced:
        renditions = copy_only(ladder)
        copied = renditions[0].video == "copy"
        kept = "it is passed on as it is sent" if copied else "it has its smallest quality only"
        note = f"No host has room for the broadcast's other qualities now; {kept}."
    cores = cost.of(source, renditions) * load.factor
    return Plan(renditions, cores, load.factor, reduced, note)


@contextmanager
def deciding(besides: UUID | None = None) -> Iterator[Load]:
    """This host's load `besides` this run; it does not change before the new run's row is written.

    A hundred publishers may come within a second: each must count those before it.
    """
    if not _deciding.acquire(timeout=DECIDED_WITHIN):
        raise Unavailable("the database takes its time")
    try:
        yield load(besides)
    finally:
        _deciding.release()


def load(besides: UUID | None = None) -> Load:
    """Of this host now, `besides` this run. Raises what the database raises."""
    return _load(_live_runs(besides), _known_factor())


def report(now: datetime, trouble: str = "") -> None:
    """Tell the other hosts; called every few seconds. `trouble`: why nothing of what is made here
    reaches viewers. Raises what the database raises."""
    runs = _live_runs()
    factor = _learned(_known_factor(), runs, now)
    here = _load(runs, factor)
    Host.objects.update_or_create(
        name=HOST,
        defaults={
            "cores": here.cores,
            "used": here.used,
            "cost_factor": factor,
            "broadcasts": here.broadcasts,
            "trouble": trouble,
            "seen_at": now,
        },
    )


def leave_to_another(now: datetime, waited: float) -> bool:
    """Whether a broadcast whose cost nobody knows yet is left to a host with more room."""
    if not another_host_has_room(USUAL, now):
        return False
    room = load().room_for(USUAL)
    return admit(USUAL, room=room, elsewhere=True, waited=waited) is Admission.WAIT


def another_host_has_room(reckoned: float, now: datetime) -> bool:
    return any(
        Load(host.cores, host.used, host.cost_factor, host.broadcasts).room_for(reckoned)
        for host in _other_hosts(now)
    )


def another_host_is_there(now: datetime) -> bool:
    """Whether its workers were at work lately."""
    return _other_hosts(now).exists()


def _other_hosts(now: datetime) -> QuerySet[Host]:
    return Host.objects.filter(seen_at__gt=now - SEEN_WITHIN).exclude(name=HOST)


def forget_hosts(now: datetime) -> None:
    """Those that have not been seen for a day: a container has a new name every time."""
    Host.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()


def _known_factor() -> float:
    known = Host.objects.filter(name=HOST).values_list("cost_factor", flat=True).first()
    return known if known is not None else 1.0


def _live_runs(besides: UUID | None = None) -> list[dict[str, Any]]:
    runs = Run.objects.filter(host=HOST, state__in=AT_WORK).values("pk", *COLUMNS)
    mine = [run for run in runs if run["pk"] != besides]
    broadcasts = Broadcast.objects.filter(open_key__isnull=False)
    wanted = broadcasts.filter(pk__in=[run["broadcast_id"] for run in mine])
    open_now = dict(wanted.values_list("pk", "source"))
    return [
        run | {"source": open_now[run["broadcast_id"]]}
        for run in mine
        if run["broadcast_id"] in open_now
    ]


def _load(runs: Sequence[dict[str, Any]], factor: float) -> Load:
    cores = isolation.usable_cores() * settings.CPU_SHARE
    return Load(cores, sum(run["cpu"] or 0.0 for run in runs), factor, len(runs))


def _learned(factor: float, runs: Iterable[dict[str, Any]], now: datetime) -> float:
    """From runs that have lived a while and are in time: a starved one uses what it gets."""
    reckoned = measured = 0.0
    for run in runs:
        settled = now - run["started_at"] > SETTLED_AFTER and (run["speed"] or 0.0) >= IN_TIME
        encodes = any(rendition["video"] == "x264" for rendition in run["renditions"])
        if settled and encodes:
            with suppress(TypeError):  # made by a version of ours that knew other fields
                ladder = [Rendition(**rendition) for rendition in run["renditions"]]
                reckoned += cost.of(restored(run["source"]), ladder)
                measured += run["cpu"] or 0.0
    return cost.learn(factor, reckoned, measured)
