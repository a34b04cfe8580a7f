"""The admin: streams and keys, broadcasts, runs and hosts, ladder profiles, users."""

from streams.admin import (
    broadcast,
    host,
    ingest_node,
    ladder_profile,
    origin,
    run,
    stream,
    user,
)

__all__ = ["broadcast", "host", "ingest_node", "ladder_profile", "origin", "run", "stream", "user"]
