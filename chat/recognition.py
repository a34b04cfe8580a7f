"""Recognition: whose session a socket comes with."""

import logging
from typing import Any

from channels.auth import AuthMiddleware
from django.db import DatabaseError

from chat.record import PATIENCE
from streams.deadline import within

logger = logging.getLogger(__name__)


class Recognition(AuthMiddleware):  # type: ignore[misc]  # it has no types
    """Channels' own, but it refuses the socket when the database does not answer in time: to let
    somebody with an account in as a guest would be wrong."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope = dict(scope)
        self.populate_scope(scope)
        try:
            with within(PATIENCE):
                await self.resolve_scope(scope)
        except DatabaseError as error:
            logger.warning("chat: nobody is recognised, the database is away: %.200s", error)
            await send({"type": "websocket.close"})
            return
        await self.inner(scope, receive, send)
