"""A room: the chat of one stream in this process, with all its local sockets.

However many sockets there are, the channel layer knows one channel, in two groups: the chat's and
the stream's events. A channel per socket costs hundreds of microseconds per delivery.
"""

import asyncio
import logging
import random
from collections import deque
from contextlib import suppress
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.utils import timezone

from chat import events
from chat.models import HISTORY, Message
from chat.outbox import Frame, Outbox
from streams.events import group as stream_group

logger = logging.getLogger(__name__)

# Seconds between attempts to subscribe while the layer is away; doubled each time.
FIRST_RETRY, LAST_RETRY = 0.5, 10.0
# A newcomer waits this long for the subscription; then the chat starts without the others'.
PATIENCE = 2.0
# A Redis that hangs must not hold up the next message.
LAYER_PATIENCE = 2.0
REMEMBERED = 4 * HISTORY


_since = database_sync_to_async(Message.recent)


def chat_group(stream_id: UUID) -> str:
    return f"chat.{stream_id.hex}"


class Room:
    """The sockets of one stream; `members` maps each to its viewer's identity."""

    def __init__(self, stream_id: UUID, layer: Any) -> None:
        self.stream_id = stream_id
        self.members: dict[Outbox, str] = {}
        self._layer = layer
        self._groups = (chat_group(stream_id), stream_group(stream_id))
        self._channel: str | None = None
        self._tried = asyncio.Event()
        self._closing = asyncio.Event()
        self._stale = asyncio.Event()
        # The ids of the last messages: what is read from the record may have been delivered.
        self._known: deque[str] = deque(maxlen=REMEMBERED)
        # asyncio itself keeps only weak references to tasks.
        self._reading: asyncio.Task[None] | None = None
        self._opened_at = timezone.now()
        self._listener = asyncio.create_task(self._listen())

    async def ready(self) -> None:
        """Return once messages of other processes arrive, or the layer turned out to be away."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), PATIENCE)

    def deliver(self, frame: Frame) -> None:
        """Queue the frame for every socket of this process; a message only once."""
        if frame.id is not None:
            if frame.id in self._known:
                return
            self._known.append(frame.id)
        for outbox in list(self.members):
            outbox.put(frame)

    async def publish(self, frame: Frame) -> None:
        """Send the frame to the room in all processes, this one included."""
        message = {"type": "chat.frame", "text": frame.text, "id": frame.id}
        if frame.id is not None:
            # Here at once, whatever becomes of the layer; what it brings back is known by its id.
            self.deliver(frame)
        try:
            async with asyncio.timeout(LAYER_PATIENCE):
                await self._layer.group_send(chat_group(self.stream_id), message)
        except Exception as error:
            # The other processes miss it until they catch up, or their viewers load the history.
            logger.warning("chat: the channel layer is away, delivering here only: %r", error)
            if frame.id is None:
                self.deliver(frame)

    def catch_up(self, *, subscribe: bool) -> None:
        """Messages were missed: deliver them from the record, if need be subscribing anew first."""
        if subscribe:
            self._stale.set()
        elif self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_on())

    async def close(self) -> None:
        """Give the subscription back."""
        self._closing.set()
        await asyncio.wait({self._listener})
        if self._reading is not None:
            await asyncio.wait({self._reading})

    async def _listen(self) -> None:
        """Subscribe and deliver until closed, beginning anew when the layer fails.

        This task is never cancelled: Redis' client may swallow that while it subscribes.
        """
        delay, missed = FIRST_RETRY, False
        while not self._closing.is_set():
            try:
                # Before subscribing: a layer that is emptied meanwhile forgets half of it.
                self._stale.clear()
                channel = await self._subscribe()
                delay = FIRST_RETRY
                if missed:
                    self.catch_up(subscribe=False)
                missed = True
                await self._forward(channel)
            except Exception as error:
                logger.warning("chat: no subscription for %s: %r", self.stream_id, error)
                self._tried.set()
                missed = True
                with suppress(TimeoutError):
                    pause = delay * random.uniform(0.5, 1.0)  # nosec B311  # no secret
                    await asyncio.wait_for(self._closing.wait(), pause)
                delay = min(2 * delay, LAST_RETRY)
            finally:
                await self._unsubscribe()

    async def _forward(self, channel: str) -> None:
        """Deliver what arrives until closed or stale. Raises what the layer raises."""
        receiver = asyncio.create_task(self._receive(channel))
        ends = [asyncio.create_task(end.wait()) for end in (self._closing, self._stale)]
        await asyncio.wait({receiver, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        # The layer takes the end of a receive for the end of the channel, so this comes last.
        receiver.cancel()
        await asyncio.wait({receiver})
        if not receiver.cancelled():
            receiver.result()

    async def _receive(self, channel: str) -> None:
        while True:
            self._take(await self._layer.receive(channel))

    async def _subscribe(self) -> str:
        channel: str = await self._layer.new_channel()
        self._channel = channel
        for group in self._groups:
            await self._layer.group_add(group, channel)
        self._tried.set()
        return channel

    async def _unsubscribe(self) -> None:
        channel, self._channel = self._channel, None
        if channel is None:
            return
        for group in self._groups:
            try:
                await self._layer.group_discard(group, channel)
            except Exception as error:
                # Redis forgets a subscription with its connection.
                logger.info("chat: %s was not left: %r", group, error)

    async def _read_on(self) -> None:
        try:
            for message in await _since(self.stream_id, self._opened_at):
                self.deliver(Frame(events.encode(message.as_event()), message.pk.hex))
        except Exception:
            # Viewers have the history when they come back, and live messages go on.
            logger.exception("chat: missed messages of %s could not be read", self.stream_id)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "chat.frame", "text": str(text), "id": id}:
                self.deliver(Frame(text, id))
            case {"type": "stream.event", "event": dict(event)}:
                self.deliver(Frame(events.encode(event)))
            case _:
                logger.warning("chat: a message of unknown type %r", message.get("type"))
