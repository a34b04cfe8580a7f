"""The heartbeat of a room: says who watches here, and tells the sockets how many watch in all."""

import asyncio
import logging
from contextlib import suppress

from asgiref.sync import sync_to_async

from chat import events
from chat.outbox import Frame
from chat.room import Room
from streams import presence

logger = logging.getLogger(__name__)

# Seconds. Looking is one Redis round trip; telling costs a frame for every socket, so a crowd
# that arrives at once is announced together.
LOOK_EVERY = 2.0
BEAT_EVERY = 10.0

# Redis waits must not hold up the one thread that the database has.
seen = sync_to_async(presence.seen, thread_sensitive=False)
gone = sync_to_async(presence.gone, thread_sensitive=False)


class Heartbeat:
    """One task per room, from its first socket to its last."""

    def __init__(self, room: Room, look_every: float = LOOK_EVERY) -> None:
        self._room = room
        self._look_every = look_every
        self._marked: set[str] = set()
        self._marked_at = 0.0
        self._told: int | None = None
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._beat())

    async def close(self, elsewhere: set[str]) -> None:
        """Forget this room's viewers except those who already came back to a new room."""
        self._closing.set()
        await asyncio.wait({self._task})
        await gone(self._room.stream_id, *(self._marked - elsewhere))

    def joined(self, viewer: str) -> None:
        """The viewer was marked by somebody else: take over unmarking."""
        self._marked.add(viewer)

    async def _beat(self) -> None:
        while not self._closing.is_set():
            try:
                await self._look()
            except Exception:
                logger.exception("chat: the heartbeat of %s stumbled", self._room.stream_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._look_every)

    async def _look(self) -> None:
        here = set(self._room.members.values())
        left = self._marked - here
        if left:
            await gone(self._room.stream_id, *left)
        count = await seen(self._room.stream_id, *self._due(here))
        self._marked = (self._marked - left) | here
        if count is not None and count != self._told:
            self._told = count
            self._room.deliver(Frame(events.encode(events.viewers(count))))

    def _due(self, here: set[str]) -> set[str]:
        """Whom to mark now: everybody every BEAT_EVERY seconds, newcomers at once."""
        now = asyncio.get_running_loop().time()
        if now - self._marked_at < BEAT_EVERY:
            return here - self._marked
        self._marked_at = now
        return here
