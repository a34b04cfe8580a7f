"""The hub: the open rooms of this process, and the limits of those who speak in them."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from chat.heartbeat import LOOK_EVERY, Heartbeat
from chat.limits import Limits
from chat.outbox import Outbox
from chat.pulse import BEAT_EVERY, PATIENCE, Pulse
from chat.room import Room


class Hub:
    """Rooms open with their first socket and close with their last one."""

    def __init__(
        self,
        layer: Any,
        look_every: float = LOOK_EVERY,
        beat_every: float = BEAT_EVERY,
        patience: float = PATIENCE,
    ) -> None:
        self.limits = Limits()
        self._layer = layer
        self._look_every = look_every
        self._rhythm = beat_every, patience
        self._pulse: Pulse | None = None
        self._rooms: dict[UUID, tuple[Room, Heartbeat]] = {}
        # asyncio itself keeps only weak references to tasks.
        self._closing: set[asyncio.Task[None]] = set()

    def join(self, stream_id: UUID, outbox: Outbox, viewer: str) -> Room:
        """Add the socket to the stream's room. Await `room.ready()` before loading a history."""
        if self._pulse is None:
            self._pulse = Pulse(self._layer, self._hold, self._catch_up, *self._rhythm)
        if stream_id not in self._rooms:
            room = Room(stream_id, self._layer)
            self._rooms[stream_id] = room, Heartbeat(room, self._look_every)
        room, heartbeat = self._rooms[stream_id]
        room.members[outbox] = viewer
        heartbeat.joined(viewer)
        return room

    def leave(self, stream_id: UUID, outbox: Outbox) -> None:
        """Take the socket out of its room; a second time does nothing."""
        outbox.close()
        if stream_id not in self._rooms:
            return
        room, heartbeat = self._rooms[stream_id]
        room.members.pop(outbox, None)
        if not room.members:
            del self._rooms[stream_id]
            self._finish(self._close(room, heartbeat))
            if not self._rooms and self._pulse is not None:
                self._finish(self._pulse.close())
                self._pulse = None

    async def drain(self) -> None:
        """Return when the rooms that were left are closed."""
        while self._closing:
            await asyncio.wait(self._closing)

    def _finish(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _hold(self) -> None:
        for room, _ in self._rooms.values():
            room.hold()

    def _catch_up(self, deaf: bool) -> None:
        for room, _ in self._rooms.values():
            room.catch_up(subscribe=deaf)

    async def _close(self, room: Room, heartbeat: Heartbeat) -> None:
        await room.close()
        reopened = self._rooms.get(room.stream_id)
        await heartbeat.close(set(reopened[0].members.values()) if reopened else set())


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """The hub of the running event loop: queues and tasks belong to one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(get_channel_layer())
    return _hubs[loop]
