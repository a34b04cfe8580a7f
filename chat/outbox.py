"""The outbox of one socket: frames wait here, so that no reader makes another one wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

logger = logging.getLogger(__name__)

# Room for what a room catches up with at once, and then some.
SIZE = 256


class Frame(NamedTuple):
    """A serialised event; `id` is the message's when it is one."""

    text: str
    id: str | None = None


class Outbox:
    """A bounded queue and the task that empties it into the socket.

    `send` writes one text frame and may wait as long as the reader likes. `overflow` is called
    once, when the queue is full: the reader is too slow and its socket is to be closed.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        overflow: Callable[[], None],
        size: int = SIZE,
    ) -> None:
        self._send = send
        self._overflow = overflow
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(size)
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Queue the frame. Frames queued before `start` wait for it."""
        if self._closed:
            return
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.close()
            self._overflow()

    def start(self, skip: Collection[str] = ()) -> None:
        """Begin to write, leaving out the messages with these ids (they were in the history)."""
        if not self._closed:
            self._writer = asyncio.create_task(self._write(frozenset(skip)))

    def close(self) -> None:
        """Write nothing more; what is queued is lost."""
        self._closed = True
        if self._writer is not None:
            self._writer.cancel()

    async def _write(self, skip: frozenset[str]) -> None:
        try:
            while True:
                frame = await self._queue.get()
                if frame.id is None or frame.id not in skip:
                    await self._send(frame.text)
        except OSError:
            # The reader has left; the consumer hears of it by itself.
            self._closed = True
        except Exception:
            logger.exception("a frame could not be written")
            self.close()
            self._overflow()
