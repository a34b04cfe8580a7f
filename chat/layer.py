"""The channel layer: channels_redis' own, which here also tells when a connection was lost.

Redis forgets a subscription with its connection, and what is published before there is another one
is lost. The layer connects and subscribes again by itself, and says so to nobody.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import decode_hosts


class Layer(RedisPubSubChannelLayer):  # type: ignore[misc]  # it has no types
    def __init__(self, *, hosts: list[Any], **options: Any) -> None:
        told = {"redis_connect_func": self._connected}
        super().__init__(hosts=[host | told for host in decode_hosts(hosts)], **options)
        self._seen: WeakSet[Any] = WeakSet()
        self._listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[], None]] = (
            WeakKeyDictionary()
        )

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Have it called, in this event loop, whenever a connection was lost and there is another
        one: before that one is subscribed to anything."""
        self._listeners[asyncio.get_running_loop()] = listener

    async def _connected(self, connection: Any) -> None:
        await connection.on_connect()
        listener = self._listeners.get(asyncio.get_running_loop())
        if connection in self._seen and listener is not None:
            listener()
        self._seen.add(connection)
