"""The pulse of a process: what it sends to itself through the channel layer, to know it can hear.

A subscription to a Redis that froze, or that a network swallowed, stays silent for ever: nothing
else tells it from a quiet chat, and no timeout ends it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

# Seconds. A Redis that fails over is back in less than the patience; a beat costs one publish.
BEAT_EVERY = 2.0
PATIENCE = 15.0


class Pulse:
    """One task, from the first room of a process to its last.

    `gap` is called when some beats were not heard: messages were not either. When none is heard
    for `patience` seconds the layer is emptied first, so that whoever is called has to subscribe
    anew; `deaf` is then true.
    """

    def __init__(
        self,
        layer: Any,
        gap: Callable[[bool], None],
        every: float = BEAT_EVERY,
        patience: float = PATIENCE,
    ) -> None:
        self._layer = layer
        self._gap = gap
        self._every = every
        self._patience = patience
        self._heard_at = 0.0
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closing.set()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await self._listen()
            except Exception as error:
                logger.warning("chat: no pulse: %r", error)
                await self._pause()

    async def _listen(self) -> None:
        """Beat and listen until closed or deaf. Raises what the layer raises."""
        channel = await self._layer.new_channel()
        self._heard_at = self._now()
        listener = asyncio.create_task(self._hear(channel))
        try:
            while not self._closing.is_set():
                await self._beat(channel)
                await self._pause()
                if self._now() - self._heard_at > self._patience:
                    logger.warning(
                        "chat: nothing came through the channel layer for %.0f s; subscribing anew",
                        self._now() - self._heard_at,
                    )
                    await self._subscribe_anew()
                    return
        finally:
            # The layer takes the end of a receive for the end of the channel.
            listener.cancel()
            await asyncio.wait({listener})

    async def _subscribe_anew(self) -> None:
        try:
            await asyncio.wait_for(self._layer.flush(), self._patience)
        finally:
            # Whatever became of the connections, the layer has forgotten who wants what.
            self._gap(True)

    async def _beat(self, channel: str) -> None:
        try:
            await self._layer.send(channel, {"type": "pulse"})
        except Exception as error:
            logger.info("chat: a beat was not sent: %r", error)

    async def _hear(self, channel: str) -> None:
        while True:
            await self._layer.receive(channel)
            silent = self._now() - self._heard_at
            self._heard_at = self._now()
            if silent > 1.5 * self._every:
                self._gap(False)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._every)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
