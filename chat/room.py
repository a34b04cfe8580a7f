"""A room: the chat of one stream in this process, with all its local sockets.

However many sockets there are, the channel layer knows one channel, in two groups: the chat's and
the stream's events. A channel per socket costs hundreds of microseconds per delivery.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID

from chat import events
from chat.models import Message, moment
from chat.order import Order
from chat.outbox import Frame, Outbox
from chat.record import ask
from chat.subscription import Subscription
from streams.events import group as stream_group

logger = logging.getLogger(__name__)

# Seconds. A newcomer waits so long for the subscription; then the chat starts without the others'.
PATIENCE = 2.0
# A Redis that hangs must not hold up the next message.
LAYER_PATIENCE = 2.0
# Messages wait so long, at most, for those before them that were missed.
HOLD = 2.0
# Between attempts to tell the other processes, or to read the record.
RETRY = 0.5

MISSED = {"type": "chat.missed"}


def chat_group(stream_id: UUID) -> str:
    return f"chat.{stream_id.hex}"


class Room:
    """The sockets of one stream; `members` maps each to its viewer's identity."""

    def __init__(self, stream_id: UUID, layer: Any) -> None:
        self.stream_id = stream_id
        self.members: dict[Outbox, str] = {}
        self._layer = layer
        self._closing = asyncio.Event()
        self._order = Order(self._put)
        self._holding: asyncio.TimerHandle | None = None
        # Messages were missed here, and are not read yet; or by others, who do not know it yet.
        self._behind = self._untold = False
        # asyncio itself keeps only weak references to tasks.
        self._reading: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._opened_at = moment()
        groups = (chat_group(stream_id), stream_group(stream_id))
        self._subscription = Subscription(layer, groups, self._take, self._catch_up)

    async def ready(self) -> None:
        """Return once messages of other processes arrive, or the layer turned out to be away."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._subscription.tried.wait(), PATIENCE)

    def deliver(self, frame: Frame) -> None:
        """Queue the frame for every socket of this process; a message only once."""
        if frame.id is None:
            self._put(frame)
        else:
            self._order.add(frame)

    async def publish(self, message: Frame) -> None:
        """Send a message to the room in all processes, this one included."""
        # Here at once, whatever becomes of the layer; what it brings back is known by its id.
        self.deliver(message)
        frame = {"type": "chat.frame", "text": message.text, "id": message.id}
        if not await self._tell(frame) and not _runs(self._telling):
            self._telling = asyncio.create_task(self._keep_telling())

    def hold(self) -> None:
        """Keep messages back for a moment: others before them may have been missed."""
        self._order.hold()
        if self._holding is not None:
            self._holding.cancel()
        self._holding = asyncio.get_running_loop().call_later(HOLD, self._order.release)

    def catch_up(self, *, subscribe: bool) -> None:
        """Messages were missed: deliver them from the record, if need be subscribing anew first."""
        if subscribe:
            self._subscription.renew()
        else:
            self._catch_up()

    async def close(self) -> None:
        """Give the subscription back."""
        self._closing.set()
        await self._subscription.close()
        for task in filter(None, (self._reading, self._telling)):
            await asyncio.wait({task})

    def _catch_up(self) -> None:
        self._behind = True
        # Now, not in the task: the next message may be here already.
        self.hold()
        if not _runs(self._reading):
            self._reading = asyncio.create_task(self._read_on())

    def _put(self, frame: Frame) -> None:
        for outbox in list(self.members):
            outbox.put(frame)

    async def _tell(self, *messages: dict[str, Any]) -> bool:
        """Send them to all processes, and first that others did not reach them, if so."""
        group = chat_group(self.stream_id)
        try:
            async with asyncio.timeout(LAYER_PATIENCE):
                if self._untold:
                    await self._layer.group_send(group, MISSED)
                    self._untold = False
                for message in messages:
                    await self._layer.group_send(group, message)
        except Exception as error:
            logger.warning("chat: the channel layer is away, delivering here only: %r", error)
            self._untold = True
        return not self._untold

    async def _keep_telling(self) -> None:
        """The other processes are to look for themselves, even if nobody says anything more."""
        while self._untold and not await self._closed_within(RETRY):
            await self._tell()

    async def _read_on(self) -> None:
        while self._behind:
            self._behind = False
            self.hold()
            try:
                missed = await ask(Message.since, self.stream_id, self._opened_at)
            except Exception:
                logger.exception("chat: missed messages of %s could not be read", self.stream_id)
                self._order.release()
                self._behind = not await self._closed_within(RETRY)
            else:
                frames = [Frame(events.encode(m.as_event()), m.pk.hex) for m in missed]
                self._order.release(frames)

    async def _closed_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "chat.frame", "text": str(text), "id": str(id)}:
                self.deliver(Frame(text, id))
            case {"type": "chat.missed"}:
                self._catch_up()
            case {"type": "stream.event", "event": dict(event)}:
                self.deliver(Frame(events.encode(event)))
            case _:
                logger.warning("chat: a message of unknown type %r", message.get("type"))


def _runs(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()
