"""Who watches a stream now: a Redis sorted set per stream, viewer ids scored by when last seen.

Presence is for counting only. Nothing depends on it: without Redis nobody is counted.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django_redis import get_redis_connection
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Three heartbeats of ten seconds: one may be lost without anybody seeming to leave.
WINDOW = 30.0


def seen(stream_id: UUID, *viewers: str, now: float | None = None) -> int | None:
    """Mark the viewers as watching and return how many watch; None when Redis is away.

    Without viewers it only counts. `now`: seconds since the epoch.
    """
    moment = time.time() if now is None else now
    key = _key(stream_id)
    try:
        with _redis().pipeline(transaction=False) as pipe:
            if viewers:
                pipe.zadd(key, dict.fromkeys(viewers, moment))
                pipe.expire(key, int(2 * WINDOW))
            pipe.zremrangebyscore(key, "-inf", f"({moment - WINDOW}")
            pipe.zcard(key)
            return int(pipe.execute()[-1])
    except (RedisError, OSError) as error:
        logger.warning("presence: Redis is away: %.200s", error)
        return None


def gone(stream_id: UUID, *viewers: str) -> None:
    """Forget the viewers at once instead of after WINDOW seconds."""
    if not viewers:
        return
    try:
        _redis().zrem(_key(stream_id), *viewers)
    except (RedisError, OSError) as error:
        logger.warning("presence: Redis is away: %.200s", error)


def count(stream_id: UUID, now: float | None = None) -> int:
    """Distinct viewers seen within WINDOW seconds; 0 when Redis is away."""
    return seen(stream_id, now=now) or 0


def counts(stream_ids: Sequence[UUID], now: float | None = None) -> dict[UUID, int]:
    """`count` of many streams in one round trip."""
    since = (time.time() if now is None else now) - WINDOW
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for stream_id in stream_ids:
                pipe.zcount(_key(stream_id), since, "+inf")
            return dict(zip(stream_ids, pipe.execute(), strict=True))
    except (RedisError, OSError) as error:
        logger.warning("presence: Redis is away: %.200s", error)
        return dict.fromkeys(stream_ids, 0)


def _key(stream_id: UUID) -> str:
    return f"livestream:presence:{stream_id.hex}"


def _redis() -> Any:
    return get_redis_connection("default")
