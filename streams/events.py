"""Events: telling every page that watches a stream what became of it."""

import logging
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from streams.api import stream_state
from streams.models import Stream

logger = logging.getLogger(__name__)


def group(stream_id: UUID) -> str:
    """The channel-layer group of a stream's events."""
    return f"stream.{stream_id.hex}"


def publish_state(stream: Stream) -> None:
    """Send the stream's state to its pages. They poll as well, so a lost event only costs time."""
    publish(stream.pk, {"v": 1, "type": "state", **stream_state(stream)})


def publish(stream_id: UUID, event: dict[str, Any]) -> None:
    layer = get_channel_layer()
    message = {"type": "stream.event", "event": event}
    try:
        async_to_sync(layer.group_send)(group(stream_id), message)
    except (OSError, RedisError) as error:
        logger.warning("event %s could not be sent: %s", event["type"], error)
