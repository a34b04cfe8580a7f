"""The foreman: compares what is open with who publishes and who drives, and closes the gaps.

Every worker has one, in a thread of its own that needs no broker: tasks only make it quicker.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone
from redis.exceptions import RedisError

from streams import capacity, deliveries, disk, lease
from streams.closing import close_over
from streams.crew import Crew
from streams.ingest import drop_quietly
from streams.ingest_node import IngestNode
from streams.ingest_nodes import nodes
from streams.ladder.stat import Publisher
from streams.models import Broadcast, Run
from streams.supervisor import isolation
from streams.supervisor.process import Process, find_runs, put_down_all
from streams.supervisor.states import AT_WORK

logger = logging.getLogger(__name__)

EVERY = 3.0
# Rounds: looking through all folders and processes, and reckoning up all ladders, costs more than
# the rest.
THOROUGH_EVERY = 3
# How long a publisher may be on no broadcast.
STRANGER_PATIENCE = 5.0
RECONCILED_AT = "reconciled_at"


class Foreman(threading.Thread):
    """Works from `start` until `stop`. `sign`: a file that each of its rounds touches, by which
    others see that it works."""

    def __init__(self, crew: Crew, root: Path, sign: Path) -> None:
        super().__init__(name="foreman", daemon=True)
        self._crew = crew
        self._root = root
        self._sign = sign
        self._stopping = threading.Event()
        self._lease_ends_in = EVERY

    def run(self) -> None:
        self._crew.record.failed()
        try:
            for number in itertools.count():
                if self._stopping.is_set():
                    return
                began = time.monotonic()
                self._round(thorough=number % THOROUGH_EVERY == 0)
                due = min(EVERY, self._lease_ends_in)
                self._stopping.wait(max(0.5, due - (time.monotonic() - began)))
        finally:
            connections.close_all()

    def _round(self, *, thorough: bool) -> None:
        # Each by itself, and first what needs no database: that may take long to say that it is
        # away, and a disk that is full must not keep broadcasts from being driven.
        self._do(lambda: disk.relieve(self._root, thorough=thorough))
        self._do(self._sign.touch)
        self._lease_ends_in = EVERY
        if self._do(self._reconcile) and thorough:
            self._do(lambda: put_down_strays(self._root))
            self._do(isolation.remove_leftovers)
            self._do(lambda: close_over(self._root, timezone.now()))
            self._do(self._report)

    def _report(self) -> None:
        now = timezone.now()
        capacity.report(now, deliveries.trouble(now))

    def _reconcile(self) -> None:
        try:
            self._lease_ends_in = reconcile(self._crew)
        except (DatabaseError, InterfaceError):
            self._crew.record.failed()
            raise

    def _do(self, work: Callable[[], object]) -> bool:
        """Whether the database was there, if it was asked for."""
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            close_old_connections()
            logger.warning("the database is away, nothing is begun or ended: %s", error)
            return False
        except Exception:  # whatever it is, the next round comes
            logger.exception("a round of the foreman failed")
        return True

    def stop(self) -> None:
        self._stopping.set()


def reconcile(crew: Crew) -> float:
    """One round: who is driven by nobody, who publishes to nothing. Whether a publisher left is for
    whoever drives the broadcast to see. Returns in how many seconds the next lease runs out, should
    nobody renew it."""
    publishers = nodes.publishers()
    asked_at = crew.record.now()
    broadcasts = list(Broadcast.briefly().filter(open_key__isnull=False))
    crew.record.answered(asked_at)
    now = timezone.now()
    for broadcast in broadcasts:
        if lease.is_free(broadcast, now):
            crew.take(broadcast.pk)
    known = {broadcast.ingest_name for broadcast in broadcasts}
    for name, found in publishers.items():
        _drop_strangers(nodes.named(name), found or {}, known)
    nodes.note_seen({name for name, found in publishers.items() if found is not None}, now)
    with suppress(RedisError, OSError):
        cache.set(RECONCILED_AT, now.timestamp(), timeout=3600)
    held = [row for row in broadcasts if not lease.is_free(row, now)]
    return min(((row.lease_until - now).total_seconds() for row in held), default=lease.LONGEST)


def _drop_strangers(node: IngestNode, publishers: dict[str, Publisher], known: set[str]) -> None:
    """Disconnect publishers of broadcasts that are over, so that they publish anew or stop."""
    for name, publisher in publishers.items():
        if name not in known and publisher.time_ms > STRANGER_PATIENCE * 1000:
            logger.warning("publisher %s belongs to no open broadcast; dropped", name)
            drop_quietly(node, name)


def put_down_strays(root: Path) -> None:
    """End FFmpegs of this host whose run is over for the record, or was deleted from it."""
    found = {UUID(run.run_id): run for run in find_runs(root)}
    if not found:
        return
    # Rows are written before their FFmpegs are started, so one that is not there never will be.
    runs = Run.objects.filter(pk__in=list(found), state__in=AT_WORK)
    broadcasts = dict(runs.values_list("pk", "broadcast_id"))
    rows = Broadcast.objects.filter(pk__in=set(broadcasts.values()), open_key__isnull=False)
    open_now = set(rows.values_list("pk", flat=True))
    wanted = {run_id for run_id, broadcast_id in broadcasts.items() if broadcast_id in open_now}
    strays = []
    for run_id, run in found.items():
        if run_id not in wanted:
            logger.warning("run %s (pid %d) is nobody's; ended", run.run_id, run.pid)
            process = Process.adopt(run.run_id, root, run.pid)
            strays += [process] if process is not None else []
    put_down_all(strays)
