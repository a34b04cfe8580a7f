"""Events: telling every page that watches a stream what became of it."""

import asyncio
import atexit
import logging
import threading
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError

from streams import presence
from streams.api import stream_state
from streams.models import Stream

logger = logging.getLogger(__name__)

# Seconds. A Redis that hangs would hold the sender for five; a sentinel that does, and is asked
# first, takes one of them.
PATIENCE = 3.0
# A process that ends waits less.
FAREWELL = 1.0


def group(stream_id: UUID) -> str:
    """The channel-layer group of a stream's events."""
    return f"stream.{stream_id.hex}"


def publish_state(stream: Stream) -> None:
    """Send the stream's state to its pages, without waiting for Redis. Pages look for themselves
    when their socket opens, so a lost event only costs time."""
    try:
        state = stream_state(stream, viewers=0)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the state of %s is not sent, the database is away: %s", stream.name, error)
        return
    _messenger.take(stream.pk, state)


class Messenger:
    """A thread that sends states: what calls it supervises an FFmpeg and must not hang."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Of each stream only the newest.
        self._waiting: dict[UUID, dict[str, Any]] = {}
        self._busy = False
        self._thread: threading.Thread | None = None

    def take(self, stream_id: UUID, state: dict[str, Any]) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            self._waiting[stream_id] = state
            self._changed.notify_all()

    def drain(self) -> None:
        """Let what waits go out before the process ends, if that is quickly done."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, FAREWELL)

    def _run(self) -> None:
        # One event loop for all states: the layer's connection belongs to it.
        runner = asyncio.Runner()
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                stream_id = next(iter(self._waiting))
                state = self._waiting.pop(stream_id)
                self._busy = True
            try:
                _send(runner, stream_id, state)
            except Exception:  # the next state must find this thread alive
                logger.exception("a state could not be sent")


def _send(runner: asyncio.Runner, stream_id: UUID, state: dict[str, Any]) -> None:
    viewers = presence.count(stream_id)
    event = {"v": 1, "type": "state", **state, "viewers": viewers}
    try:
        runner.run(deliver(group(stream_id), {"type": "stream.event", "event": event}))
    except (OSError, RedisError) as error:
        logger.warning("the state of %s could not be sent: %r", state["name"], error)


async def deliver(name: str, message: dict[str, Any]) -> None:
    """Raises OSError or RedisError when that is not quickly done."""
    layer = get_channel_layer()
    try:
        async with asyncio.timeout(PATIENCE):
            await layer.group_send(name, message)
    except BaseException:
        # The next one shall not wait for the same connection.
        await layer.flush()
        raise


_messenger = Messenger()
atexit.register(_messenger.drain)
