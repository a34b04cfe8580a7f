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
# In doubt whether we hear it beats faster: viewers wait for what they missed.
BEAT_IN_DOUBT = 0.1


class Pulse:
    """One task, from the first room of a process to its last.

    `doubt` is called when a connection was lost and there is another one, `gap` when messages may
    have been missed and none is missed any more. When nothing is heard for `patience` seconds the
    layer is emptied first, so that whoever is called has to subscribe anew; `deaf` is then true.
    """

    def __init__(
        self,
        layer: Any,
        doubt: Callable[[], None],
        gap: Callable[[bool], None],
        every: float = BEAT_EVERY,
        patience: float = PATIENCE,
    ) -> None:
        self._layer = layer
        self._doubt = doubt
        self._gap = gap
        self._every = every
        self._patience = patience
        self._heard_at = 0.0
        # Numbers of beats. Whoever hears `_proof` hears everything that was said since.
        self._sent = self._heard = 0
        self._proof: int | None = None
        self._hurry = asyncio.Event()
        self._closing = False
        layer.on_reconnect(self._reconnected)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closing = True
        self._hurry.set()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._listen()
            except Exception as error:
                logger.warning("chat: no pulse: %r", error)
                await self._pause(self._every)

    async def _listen(self) -> None:
        """Beat and listen until closed or deaf. Raises what the layer raises."""
        channel = await self._layer.new_channel()
        self._heard, self._heard_at = self._sent, self._now()
        listener = asyncio.create_task(self._hear(channel))
        try:
            while not self._closing:
                await self._beat(channel)
                in_doubt = self._proof is not None
                await self._pause(min(BEAT_IN_DOUBT, self._every) if in_doubt else self._every)
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
        self._sent += 1
        try:
            async with asyncio.timeout(self._every):
                await self._layer.send(channel, {"type": "pulse", "number": self._sent})
        except Exception as error:
            logger.info("chat: a beat was not sent: %r", error)
            self._proof = self._sent + 1

    def _reconnected(self) -> None:
        self._proof = self._sent + 1
        self._hurry.set()
        self._doubt()

    async def _hear(self, channel: str) -> None:
        while True:
            number = (await self._layer.receive(channel))["number"]
            lost = number > self._heard + 1
            self._heard, self._heard_at = number, self._now()
            if self._proof is not None and number >= self._proof:
                self._proof, lost = None, True
            if lost:
                self._gap(False)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        self._hurry.clear()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
