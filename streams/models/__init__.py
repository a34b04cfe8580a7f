"""The registry: who may stream what, and what was on air."""

from streams.models.broadcast import Broadcast
from streams.models.event import Event
from streams.models.host import Host
from streams.models.ingest_node import IngestNode
from streams.models.ladder_profile import LadderProfile, LadderRendition
from streams.models.origin import Origin
from streams.models.run import Run
from streams.models.stream import Stream, Visibility
from streams.models.stream_key import StreamKey
from streams.models.user import User

__all__ = [
    "Broadcast",
    "Event",
    "Host",
    "IngestNode",
    "LadderProfile",
    "LadderRendition",
    "Origin",
    "Run",
    "Stream",
    "StreamKey",
    "User",
    "Visibility",
]
