"""The subscription of a room: its one channel in the layer, renewed for as long as the room is."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

# Seconds between attempts to subscribe while the layer is away; doubled each time.
FIRST_RETRY, LAST_RETRY = 0.5, 10.0


class Subscription:
    """`take` is given every message of the groups, `missed` is called when there may have been
    others. `tried` is set once there is a subscription, or the layer turned out to be away."""

    def __init__(
        self,
        layer: Any,
        groups: tuple[str, ...],
        take: Callable[[dict[str, Any]], None],
        missed: Callable[[], None],
    ) -> None:
        self.tried = asyncio.Event()
        self._layer = layer
        self._groups = groups
        self._take = take
        self._missed = missed
        self._channel: str | None = None
        self._stale = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    def renew(self) -> None:
        """The layer was emptied: subscribe anew."""
        self._stale.set()

    async def close(self) -> None:
        self._closing.set()
        await asyncio.wait({self._task})

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
                    self._missed()
                missed = True
                await self._forward(channel)
            except Exception as error:
                logger.warning("chat: no subscription for %s: %r", self._groups[0], error)
                self.tried.set()
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
        self.tried.set()
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
