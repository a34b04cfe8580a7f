"""The chat socket: one consumer per connection, between its frames and its room."""

import asyncio
import logging
import math
import time
from contextlib import suppress
from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from chat import events
from chat.events import Ping, Rename, Say
from chat.heartbeat import seen
from chat.hub import current_hub
from chat.limits import FRAMES
from chat.models import Message
from chat.outbox import Frame, Outbox
from chat.record import STORING, ask, store
from chat.room import Room
from chat.text import Refusal
from chat.viewers import Scope, Viewer, client_address, identify, rename
from streams.api import stream_state
from streams.buckets import Buckets
from streams.client_address import is_loopback
from streams.models import Stream

logger = logging.getLogger(__name__)

# Seconds a slow reader has to take the close frame, behind all it has not read yet.
FAREWELL = 5.0


class ChatConsumer(AsyncWebsocketConsumer):
    """`/ws/chat/<name>/`. Its route's keyword argument `name` is the stream's."""

    # No layer of that name: the room holds the only channel (see chat/room.py).
    channel_layer_alias = "none"

    room: Room | None = None
    viewer: Viewer

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.hub = current_hub()
        self.address = client_address(scope)
        self.frames = Buckets(FRAMES)
        self.outbox = Outbox(self.write, self.drop)
        # Commands under way; the lock keeps their order.
        self.actions: set[asyncio.Task[None]] = set()
        self.turn = asyncio.Lock()
        self.task = asyncio.current_task()
        self.farewell: asyncio.Task[None] | None = None
        self.ended = False
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            if self.farewell is None:
                raise
        finally:
            # Not in disconnect(): that is not called when the server cancels or a handler fails.
            self.leave()
        # Whoever has left still has said it.
        if self.actions:
            await asyncio.wait(self.actions)

    async def dispatch(self, message: Any) -> None:
        """Channels' own looks after database connections first, which is done where they are used:
        it would have every ping wait for the database's thread."""
        if message["type"] == "websocket.disconnect":
            raise StopConsumer
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        await self.accept()
        if not self.may_enter():
            await self.end(events.CLOSE_TRY_LATER)
            return
        try:
            await self.enter()
        except DatabaseError:
            logger.exception("chat: nobody can enter")
            await self.end(events.CLOSE_TRY_LATER)

    def may_enter(self) -> bool:
        """Programs of this machine are its own affair; everybody else comes through the edge."""
        if is_loopback(self.address):
            return True
        return self.hub.limits.enter(self.address, time.monotonic())

    async def enter(self) -> None:
        found = await ask(arrive, self.scope)
        if found is None:
            await self.end(events.CLOSE_UNKNOWN_STREAM)
            return
        stream, self.viewer = found
        # Subscribed first and read second, so no message falls between history and live.
        self.room = self.hub.join(stream.pk, self.outbox, self.viewer.identity)
        await self.room.ready()
        # With the newcomer among its viewers; without Redis nobody is counted.
        viewers = await seen(stream.pk, self.viewer.identity) or 0
        state, history = await ask(look_around, stream, viewers)
        await self.write(events.encode(events.welcome(self.you(), state, history)))
        self.outbox.start(skip=[message["id"] for message in history])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.ended:
            return
        if self.frames.admit("", time.monotonic()) > 0:
            await self.end(events.CLOSE_FLOOD)
        elif text_data is not None and len(text_data) > events.MAX_FRAME:
            await self.end(events.CLOSE_TOO_BIG)
        else:
            await self.obey(events.parse(bytes_data or b"" if text_data is None else text_data))

    async def obey(self, command: events.Command | Refusal) -> None:
        match command:
            case Refusal():
                self.reply(events.refused(command))
            case Ping():
                self.reply(events.pong())
            case Say() | Rename():
                wait = self.hub.limits.admit(self.viewer.identity, self.address, time.monotonic())
                if wait > 0:
                    self.reply(events.refused(too_fast(wait)))
                else:
                    # Not awaited: a ping is answered however long the database takes.
                    action = asyncio.create_task(self.act(command, time.monotonic() + STORING))
                    self.actions.add(action)
                    action.add_done_callback(self.actions.discard)

    async def act(self, command: Say | Rename, by: float) -> None:
        try:
            async with self.turn:
                if isinstance(command, Say):
                    await self.say(command.text, by)
                else:
                    await self.take_name(command.name, by)
        except Exception:
            logger.exception("chat: a command was lost")
            refusal = Refusal("unavailable", "The chat cannot store this now; try again.")
            self.reply(events.refused(refusal))

    async def say(self, text: str, by: float) -> None:
        assert self.room is not None
        message = Message(
            stream_id=self.room.stream_id,
            author_id=self.viewer.account_id,
            name=self.viewer.name,
            text=text,
        )
        # Stored before anybody sees it, its sender included.
        await store(message, by)
        await self.room.publish(Frame(events.encode(message.as_event()), message.pk.hex))

    async def take_name(self, wish: str, by: float) -> None:
        session = self.scope.get("session")
        key = session.session_key if session is not None else None
        answer = await ask(rename, self.viewer, wish, key, by=by)
        if isinstance(answer, Refusal):
            self.reply(events.refused(answer))
        else:
            self.viewer = answer
            self.reply(events.renamed(self.you()))

    def you(self) -> events.Event:
        return events.you(self.viewer.name, self.viewer.account_id is not None)

    def reply(self, event: events.Event) -> None:
        self.outbox.put(Frame(events.encode(event)))

    async def write(self, text: str) -> None:
        await self.send(text_data=text)

    def leave(self) -> None:
        self.ended = True
        self.outbox.close()
        if self.room is not None:
            self.hub.leave(self.room.stream_id, self.outbox)

    async def end(self, code: int) -> None:
        self.leave()
        await self.close(code)

    def drop(self) -> None:
        """Let the slow reader go: out of the room at once, then closed as politely as it allows."""
        if not self.ended:
            self.leave()
            self.farewell = asyncio.create_task(self.part())

    async def part(self) -> None:
        with suppress(TimeoutError, OSError):
            await asyncio.wait_for(self.close(events.CLOSE_SLOW_READER), FAREWELL)
            return
        if self.task is not None:
            self.task.cancel()


def arrive(scope: Scope) -> tuple[Stream, Viewer] | None:
    """The stream the address names and who comes to it; None: there is no such stream."""
    stream = Stream.objects.filter(name=scope["url_route"]["kwargs"]["name"]).first()
    return None if stream is None else (stream, identify(scope))


def look_around(stream: Stream, viewers: int) -> tuple[events.Event, list[events.Event]]:
    """The stream's state and the chat's history."""
    return stream_state(stream, viewers), [
        message.as_event() for message in Message.recent(stream.pk)
    ]


def too_fast(wait: float) -> Refusal:
    retry_after = math.ceil(wait * 10) / 10
    return Refusal("too_fast", "Too many messages at once; wait a moment.", retry_after)
