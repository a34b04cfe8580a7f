"""Ingests: letting a publisher onto a stream, and noticing that it left.

Every change is one conditional update that names the ingest it is about, so that callbacks may
come late, twice or in the wrong order.
"""

import contextlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.db.models import QuerySet

from streams.ingest_node import IngestNode, IngestUnreachable
from streams.models import Broadcast, Stream
from streams.supervisor.states import Wanted


@dataclass(frozen=True)
class Ingest:
    """A publisher's connection. `client` is nginx's clientid: unique within one nginx run only."""

    node: str
    name: str
    client: str
    address: str


def internal_name(stream: Stream) -> str:
    """A name nobody can guess or clash with; it stands in /stat and in FFmpeg's log."""
    return f"{stream.name}-{secrets.token_hex(8)}"


def open_broadcast(stream: Stream) -> Broadcast | None:
    return Broadcast.objects.filter(open_key=stream.pk).first()


def admit(stream: Stream, ingest: Ingest, node: IngestNode, now: datetime) -> Broadcast | None:
    """Put the ingest on the stream's open broadcast, or open one. None: another one publishes."""
    for _ in range(5):  # each round lost was won by another publisher
        broadcast = open_broadcast(stream)
        if broadcast is None:
            broadcast = _open(stream, ingest, now)
            if broadcast is not None:
                return broadcast
            continue
        present = broadcast.publisher_gone_at is None
        if broadcast.wanted == Wanted.OFF:
            return None
        if present and not stream.takeover and _publishes(node, broadcast.ingest_name):
            return None
        if _replace(broadcast, ingest, now):
            if present:
                drop_quietly(node, broadcast.ingest_name)
            return broadcast
    return None


def _open(stream: Stream, ingest: Ingest, now: datetime) -> Broadcast | None:
    try:
        return Broadcast.objects.create(
            stream=stream, open_key=stream.pk, started_at=now, **_columns(ingest, now)
        )
    except IntegrityError:  # somebody opened one in this very moment
        return None


def _replace(broadcast: Broadcast, ingest: Ingest, now: datetime) -> bool:
    # Internal names are unique, so the old one serves as the version of these columns.
    return (
        Broadcast.objects.filter(
            pk=broadcast.pk,
            open_key=broadcast.open_key,
            wanted=Wanted.ON,
            ingest_name=broadcast.ingest_name,
        ).update(publisher_gone_at=None, **_columns(ingest, now))
        == 1
    )


def _columns(ingest: Ingest, now: datetime) -> dict[str, object]:
    return {
        "ingest_node": ingest.node,
        "ingest_name": ingest.name,
        "ingest_client": ingest.client,
        "ingest_address": ingest.address,
        "ingest_since": now,
    }


def _publishes(node: IngestNode, name: str) -> bool:
    """Whether the publisher of record is really there; its `done` may never have come."""
    try:
        return name in node.publishers()
    except IngestUnreachable:
        return True


def drop_quietly(node: IngestNode, name: str) -> None:
    """Disconnect a publisher; one that is gone already, or a node that is down, is no trouble."""
    with contextlib.suppress(IngestUnreachable):
        node.drop(name)


def left(node_name: str, client: str, address: str) -> QuerySet[Broadcast]:
    """The open broadcasts whose publisher of record is this connection."""
    return Broadcast.objects.filter(
        open_key__isnull=False,
        ingest_node=node_name,
        ingest_client=client,
        ingest_address=address,
        publisher_gone_at=None,
    ).order_by("-ingest_since")


def mark_gone(broadcast: Broadcast, now: datetime) -> bool:
    """Record that the broadcast's publisher left, unless another one took its place meanwhile."""
    return (
        Broadcast.objects.filter(
            pk=broadcast.pk, ingest_name=broadcast.ingest_name, publisher_gone_at=None
        ).update(publisher_gone_at=now)
        == 1
    )
