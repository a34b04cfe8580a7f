"""The cache of sessions, which are in the database as well: left alone while Redis is away."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django_redis.cache import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Seconds. A Redis that hangs costs one for every question, several for every page, and sockets wait
# for each other's.
PAUSE = 5.0
MISSED = object()


class Absence:
    """Of Redis, as this process knows it; `changed`: what was not said to it meanwhile."""

    def __init__(self) -> None:
        self.until = 0.0
        self.changed: set[str] = set()


absence = Absence()


class SessionCache(RedisCache):  # type: ignore[misc]  # it has no types
    def get(self, key: str, default: Any = None, *more: Any, **options: Any) -> Any:
        return self._ask(default, super().get, key, default, *more, **options)

    def has_key(self, key: str, *more: Any, **options: Any) -> bool:
        return bool(self._ask(False, super().has_key, key, *more, **options))

    def set(self, key: str, *more: Any, **options: Any) -> bool:
        return self._change(super().set, key, *more, **options)

    def delete(self, key: str, *more: Any, **options: Any) -> bool:
        return self._change(super().delete, key, *more, **options)

    def _change(self, method: Callable[..., Any], key: str, *more: Any, **options: Any) -> bool:
        answer = self._ask(MISSED, method, key, *more, **options)
        if answer is MISSED:
            absence.changed.add(key)
            return False
        return bool(answer)

    def _ask(self, otherwise: Any, method: Callable[..., Any], *about: Any, **options: Any) -> Any:
        if time.monotonic() < absence.until:
            return otherwise
        try:
            self._forget_what_changed()
            return method(*about, **options)
        except (RedisError, OSError) as error:
            absence.until = time.monotonic() + PAUSE
            logger.warning("sessions: Redis is away, the database has them: %.200s", error)
            return otherwise

    def _forget_what_changed(self) -> None:
        """Or somebody who logged out meanwhile would be logged in again."""
        keys, absence.changed = absence.changed, set()
        if not keys:
            return
        try:
            self.delete_many(list(keys))
        except (RedisError, OSError):
            absence.changed |= keys
            raise
