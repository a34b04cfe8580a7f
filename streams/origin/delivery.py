"""A delivery: what a store lacks of one broadcast that FFmpegs of this host write.

Media go before the lists that name them, older runs before newer ones, and the end goes last, so
that whoever reads the store at any moment finds everything that is named. It deletes nothing.

Of two hosts that write to one broadcast, the one with the higher fence is right: the other one
stops as soon as it sees it, and what it sent meanwhile lies in folders that players do not get.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.origin import layout, run_folder, segment_list
from streams.origin.disk import run_folders
from streams.origin.store import NeverTaken, Store, StoreAway

logger = logging.getLogger(__name__)

# How often the store is asked whether it is still what was left there.
VERIFIED_EVERY = 10.0
# A store that has lost a broadcast was emptied, or the broadcast is over and this host does not
# know it yet; so long it may take to be told.
PATIENCE = 15.0
# Older ones have left the window, or will with the next list.
RUNS = 3
# Of what waits after an outage: players have gone on, and want the newest first.
MOST_LATE = 10

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class _List:
    """FFmpeg's list of a rendition, as it was read."""

    rendition: str
    path: str
    stamp: Stamp
    text: bytes
    numbers: list[int]


class Delivery:
    """To one store. `deliver` again and again; not by two threads at once."""

    def __init__(
        self,
        store: Store,
        root: Path,
        stream: str,
        broadcast: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._root = root
        self._path = f"{stream}/{broadcast}"
        self._manifest = f"{self._path}/{layout.BROADCAST_FILE}"
        self._clock = clock
        self._sent: dict[str, Stamp] = {}
        self._next: dict[str, int] = {}  # the first segment of a rendition that is not there
        self._verified_at = float("-inf")
        self._missed_at: float | None = None
        self._over = False  # for the store, or for this host
        self._done: Stamp | None = None  # the manifest with which all was said

    def deliver(self) -> None:
        """Send what is new. Raises StoreAway: the same is tried again with the next call."""
        facts = run_folder.read_json(self._root / self._manifest)
        stamp = _stamp(self._root / self._manifest)
        if facts is None or stamp is None or stamp == self._done:
            return
        try:
            if not self._may_send(facts, stamp):
                return
            for name in run_folders(self._root / self._path)[-RUNS:]:
                if not self._deliver_run(f"{self._path}/{name}", facts):
                    return
            if facts.get("ended_at"):
                self._put(self._manifest)
                self._sent[self._manifest] = self._done = stamp
        except StoreAway:
            self._verified_at = float("-inf")
            raise

    def _may_send(self, facts: dict[str, Any], stamp: Stamp) -> bool:
        """Whether this broadcast is this host's to deliver; its manifest is there then."""
        changed = self._sent.get(self._manifest) != stamp
        now = self._clock()
        if not changed and now - self._verified_at < VERIFIED_EVERY:
            return not self._over
        found = self._ask(facts)
        if self._over:
            self._sent[self._manifest] = stamp
            self._done = stamp if facts.get("ended_at") else None
            return False
        if found is None and self._sent and not self._is_lost(now):
            self._verified_at = float("-inf")
            return False
        if found is None:
            self._sent.clear()
            self._next.clear()
        self._missed_at = None
        if not facts.get("ended_at"):  # the end goes last
            if found != facts:
                self._put(self._manifest)
            self._sent[self._manifest] = stamp
        return True

    def _ask(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """The manifest that is there."""
        found = self._store.json(self._manifest)
        self._verified_at = self._clock()
        self._over = _is_over(facts, found)
        return found

    def _is_lost(self, now: float) -> bool:
        if self._missed_at is None:
            self._missed_at = now
        return now - self._missed_at >= PATIENCE

    def _deliver_run(self, run: str, manifest: dict[str, Any]) -> bool:
        """False once another host goes on with the broadcast."""
        facts = run_folder.read_json(self._root / run / layout.RUN_FILE)
        if facts is None:
            return True
        self._put_changed(f"{run}/{layout.RUN_FILE}")
        renditions = [f"{run}/{entry['name']}" for entry in facts["renditions"]]
        lists = [found for name in renditions if (found := self._changed_list(name)) is not None]
        for found in lists:
            self._deliver_media(found)
        if lists:
            # The other host counts on from what is listed once it has said that it goes on.
            self._ask(manifest)
            if self._over:
                return False
            for found in lists:
                self._store.put(found.path, found.text)
                self._sent[found.path] = found.stamp
        self._put_changed(f"{run}/{layout.THUMBNAIL_FILE}")
        return True

    def _changed_list(self, rendition: str) -> _List | None:
        path = f"{rendition}/{layout.LIST_FILE}"
        stamp = _stamp(self._root / path)
        if stamp is None or self._sent.get(path) == stamp:
            return None
        try:
            # It is sent as it was read now: later it may name what has not been sent.
            text = (self._root / path).read_bytes()
            numbers = [segment.number for segment in segment_list.parse(text.decode())]
        except (OSError, ValueError):
            return None
        return _List(rendition, path, stamp, text, numbers)

    def _deliver_media(self, found: _List) -> None:
        if found.rendition not in self._next:
            self._next[found.rendition] = self._store.listed(found.rendition)
        due = [number for number in found.numbers if number >= self._next[found.rendition]]
        if found.numbers:
            self._put_changed(f"{found.rendition}/{layout.INIT_FILE}")
        for number in due[-MOST_LATE:]:
            self._put(f"{found.rendition}/{layout.segment_file(number)}")
            self._next[found.rendition] = number + 1

    def _put_changed(self, path: str) -> None:
        stamp = _stamp(self._root / path)
        if stamp is not None and self._sent.get(path) != stamp:
            self._put(path)
            self._sent[path] = stamp

    def _put(self, path: str) -> None:
        """A file that is gone meanwhile is no trouble: a full disk takes the oldest first."""
        try:
            data = (self._root / path).read_bytes()
        except OSError:
            return
        if not data:
            return
        try:
            self._store.put(path, data)
        except NeverTaken as error:
            logger.error("%s", error)


def _is_over(ours: dict[str, Any], found: dict[str, Any] | None) -> bool:
    """Whether the store's manifest says that there is nothing for us to add."""
    if found is None:
        return bool(ours.get("ended_at"))  # and removed already, or never seen by anybody
    if found.get("fence", 0) != ours.get("fence", 0):
        return bool(found.get("fence", 0) > ours.get("fence", 0))
    return bool(found.get("ended_at")) and not ours.get("ended_at")


def _stamp(path: Path) -> Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
