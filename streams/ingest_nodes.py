"""Ingest nodes: all there are, by the name under which they ask our hooks."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connection

from streams.ingest_node import IngestNode, IngestUnreachable, node
from streams.ladder.stat import Publisher
from streams.models import Broadcast
from streams.models import IngestNode as Row

logger = logging.getLogger(__name__)

Publishers = dict[str, Publisher]
# How long what the registry says of nodes is believed; one that is not among them is looked for.
KNOWN_FOR = 5.0
SOUGHT_EVERY = 0.5
# How often a node that is in use is noted as seen.
NOTED_EVERY = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)


class IngestNodes:
    """May be used by many threads. `local`: the node of our own settings, `name`d so; `here`: there
    is one. While the database is away, those that were known stay known.
    """

    def __init__(
        self,
        local: IngestNode,
        name: str,
        here: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.local = local
        self._name = name
        self._here = here
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._rows: dict[str, Row] = {}
        self._nodes: dict[tuple[str, str], IngestNode] = {}

    def named(self, name: str) -> IngestNode:
        if self._here and name == self._name:
            return self.local
        row = self._known(KNOWN_FOR).get(name) or self._known(SOUGHT_EVERY).get(name)
        return self._node(row) if row is not None else self.local

    def publishers(self) -> dict[str, Publishers | None]:
        """Who publishes at each node; None for one that does not answer. All are asked at once, so
        that those that are lost cost no more than one time-out."""
        found = self.all()
        if len(found) < 2:
            return {name: _publishers(one) for name, one in found.items()}
        with ThreadPoolExecutor(len(found), "ingest") as threads:
            return dict(zip(found, threads.map(_publishers, found.values()), strict=True))

    def all(self) -> dict[str, IngestNode]:
        found = {name: self._node(row) for name, row in self._known(KNOWN_FOR).items()}
        return found | ({self._name: self.local} if self._here else {})

    def learn(self, name: str, control_url: str, pull_url: str, now: datetime) -> None:
        """What a node says of itself; one that serves its own host alone says nothing."""
        known = self._known(KNOWN_FOR).get(name)
        if not control_url and not pull_url:
            if known is not None:
                Row.objects.filter(name=name).delete()
                self.forget()
            return
        if urlsplit(control_url).scheme != "http" or urlsplit(pull_url).scheme != "rtmp":
            logger.error("ingest %s is at neither %r nor %r", name, control_url, pull_url)
            return
        urls = {"control_url": control_url, "pull_url": pull_url}
        if (
            known is None
            or (known.control_url, known.pull_url) != (control_url, pull_url)
            or now - known.seen_at > NOTED_EVERY
        ):
            _write(name, urls | {"seen_at": now})
            self.forget()

    def note_seen(self, names: set[str], now: datetime) -> None:
        """Those that answered."""
        late = [row.name for row in self._known(KNOWN_FOR).values() if row.name in names]
        Row.objects.filter(name__in=late, seen_at__lt=now - NOTED_EVERY).update(seen_at=now)

    def _known(self, oldest: float) -> dict[str, Row]:
        with self._lock:
            if self._clock() - self._read_at > oldest:
                unused = connection.connection is None
                try:
                    self._rows = {row.name: row for row in Row.objects.all()}
                except (DatabaseError, InterfaceError) as error:
                    logger.warning("the ingest nodes are those of before: %s", error)
                finally:
                    if unused:  # a supervisor's thread keeps none
                        connection.close()
                self._read_at = self._clock()
            return self._rows

    def forget(self) -> None:
        """What was read is out of date."""
        self._read_at = float("-inf")

    def _node(self, row: Row) -> IngestNode:
        """The same one for the same addresses: it remembers its last page."""
        with self._lock:
            key = (row.control_url, row.pull_url)
            if key not in self._nodes:
                self._nodes[key] = IngestNode(*key, settings.INGEST_SECRET)
            return self._nodes[key]


def _publishers(one: IngestNode) -> Publishers | None:
    try:
        return one.publishers()
    except IngestUnreachable as error:
        logger.warning("looking without an ingest: %s", error)
        return None


def _write(name: str, columns: dict[str, object]) -> None:
    rows = Row.objects.filter(name=name)
    if not rows.update(**columns):
        with contextlib.suppress(IntegrityError):  # another hook of the node was quicker
            Row.objects.create(name=name, **columns)


def forget_nodes(now: datetime) -> None:
    """Those that were not seen for a day and have nobody on air."""
    used = Broadcast.objects.filter(open_key__isnull=False).values_list("ingest_node", flat=True)
    Row.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).exclude(name__in=list(used)).delete()


nodes = IngestNodes(node, settings.INGEST_NODE, settings.HAS_INGEST)
