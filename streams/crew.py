"""The crew: the supervisors of one worker process, a thread for each broadcast."""

import logging
import threading
import time
from pathlib import Path
from uuid import UUID

from django.db import connections
from django.utils import timezone

from streams import claim, identity, lease, timeline
from streams.board import Board
from streams.desk import BroadcastDesk
from streams.ingest_nodes import IngestNodes
from streams.lease import Lease
from streams.steadiness import Steadiness
from streams.studio import BroadcastStudio
from streams.supervisor.bell import Bell
from streams.supervisor.loop import Supervisor
from streams.supervisor.roles import LeaseLost, Unavailable
from streams.supervisor.states import EventKind

logger = logging.getLogger(__name__)


class Crew:
    """`most`: broadcasts that it drives at the same time."""

    def __init__(self, nodes: IngestNodes, root: Path, most: int) -> None:
        self.name = identity.make()
        self.record = Steadiness()
        self._nodes = nodes
        self._root = root
        self._most = most
        self._board = Board()
        self._board.start()
        self._lock = threading.Lock()
        self._taking = threading.Lock()
        self._bells: dict[UUID, Bell] = {}
        self._threads: set[threading.Thread] = set()
        self._turned_away: set[UUID] = set()
        self._stopping = False

    def take(self, broadcast_id: UUID) -> bool:
        """Drive the broadcast if its lease is free; wake its supervisor if it is ours already.

        Cheap when somebody else has it, so it may be called too often, or by a task that came
        twice. Raises what the database raises.
        """
        if self._wake(broadcast_id):
            return True
        if self._stopping:
            return False
        if len(self._bells) >= self._most:
            self._say_full(broadcast_id)
            return False
        if not claim.should_take(broadcast_id, timezone.now(), self.record):
            return False
        # The lease will bear the name of all of us: two threads must not both believe to have it.
        with self._taking:
            if self._wake(broadcast_id):
                return True
            held = lease.acquire(broadcast_id, self.name)
            return held is not None and self._begin(held)

    def _say_full(self, broadcast_id: UUID) -> None:
        if broadcast_id not in self._turned_away:
            self._turned_away.add(broadcast_id)
            text = f"This worker drives {self._most} broadcasts already, which is all it may."
            logger.error("broadcast %s is not begun: %s", broadcast_id, text)
            timeline.note(broadcast_id, EventKind.NO_ROOM, text)

    def _wake(self, broadcast_id: UUID) -> bool:
        with self._lock:
            bell = self._bells.get(broadcast_id)
            if bell is None or self._board.is_absent(broadcast_id):  # or its thread hangs
                return False
            self._board.forget()
            bell.ring()
            return True

    def _begin(self, held: Lease) -> bool:
        bell = Bell()
        thread = threading.Thread(
            target=self._drive,
            args=(held, bell),
            name=f"broadcast-{held.broadcast_id}",
            daemon=True,
        )
        with self._lock:
            stale = self._bells.get(held.broadcast_id)
            if stale is not None:  # it will find that its lease is lost
                stale.ring()
            self._bells[held.broadcast_id] = bell
            self._threads.add(thread)
            if self._stopping:
                bell.stop()
        try:
            thread.start()
        except RuntimeError as error:  # this process may have no more threads
            logger.error("broadcast %s is not begun: %s", held.broadcast_id, error)
            self._forget(held, bell, thread)
            lease.release(held)
            return False
        return True

    def _forget(self, held: Lease, bell: Bell, thread: threading.Thread) -> None:
        with self._lock:
            if self._bells.get(held.broadcast_id) is bell:
                del self._bells[held.broadcast_id]
            bell.close()
            self._threads.discard(thread)

    def _drive(self, held: Lease, bell: Bell) -> None:
        self._board.add(held)
        desk = BroadcastDesk(held, self._board, self._nodes, self._root)
        studio = BroadcastStudio(held, self._nodes, self._root)
        try:
            Supervisor(desk, studio).drive(bell)
        except Exception:  # one broadcast's trouble is not the others'; the foreman takes it again
            logger.exception("the supervisor of broadcast %s failed", held.broadcast_id)
            self._release(desk)
        finally:
            studio.close()
            self._board.remove(held)
            self._forget(held, bell, threading.current_thread())
            connections.close_all()

    def _release(self, desk: BroadcastDesk) -> None:
        try:
            desk.release()
        except (Unavailable, LeaseLost) as error:
            logger.warning("the lease could not be given back, it will run out: %s", error)

    @property
    def driven(self) -> int:
        return len(self._bells)

    def stop(self) -> None:
        """Hand everything over: leases are given back, FFmpegs go on. Returns at once."""
        with self._lock:
            self._stopping = True
            for bell in self._bells.values():
                bell.stop()

    def wait(self, seconds: float) -> bool:
        """Whether all have handed over within so many seconds."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._threads:
            return False
        self._board.stop()
        return True
