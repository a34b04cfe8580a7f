"""Ingests: letting a publisher onto a stream, and noticing that it left.

Every change is one conditional update that names the ingest it is about, so that callbacks may
come late, twice or in the wrong order. What has to follow it is harmless when it does not: lines of
the timeline, and what the collector of garbage makes up for.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db import DatabaseError, IntegrityError
from django.db.models import QuerySet

from streams.ingest_node import IngestDown, IngestNode, IngestUnreachable
from streams.ingest_nodes import IngestNodes
from streams.models import Broadcast, Run, Stream
from streams.once import insert_once, update_once
from streams.supervisor.ending import farewell
from streams.supervisor.states import BroadcastState, EndReason, EventKind, Wanted
from streams.timeline import note

logger = logging.getLogger(__name__)


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


# nginx lists a publisher in /stat only after the hook has answered.
LISTED_WITHIN = timedelta(seconds=5)
# It may still list one for a moment that has just left.
STILL_LISTED = timedelta(seconds=2)
# Segments come every two seconds; a longer silence tells since when a publisher has been away that
# nobody saw leave (the machine was off, or everything was stopped).
QUIET = timedelta(seconds=15)
# So long without a segment at a node that does not answer, somebody who publishes from another
# address is the same streamer: segments are noted every six seconds, up to two seconds late.
SILENT = timedelta(seconds=10)
# An ingest that is only restarted is back before, and its publisher with it.
NODE_LOST = timedelta(seconds=60)
# OBS comes back by itself after it was dropped for its codec; that is one broadcast, not ten.
SILENCE = 0.7  # seconds
REFUSED_LATELY = timedelta(minutes=10)


def open_broadcast(stream: Stream) -> Broadcast | None:
    return Broadcast.objects.filter(open_key=stream.pk).first()


def admit(stream: Stream, ingest: Ingest, nodes: IngestNodes, now: datetime) -> Broadcast | None:
    """Put the ingest on the stream's open broadcast, or open one. None: another one publishes."""
    for _ in range(5):  # each round lost was won by another publisher
        broadcast = open_broadcast(stream)
        if broadcast is None:
            broadcast = _reopen(stream, ingest, now) or _open(stream, ingest, now)
            if broadcast is not None:
                if _is_deleted(stream):
                    broadcast.delete()
                    return None
                _tell(broadcast, EventKind.PUBLISHED, f"A publisher came from {ingest.address}.")
                return broadcast
            continue
        node = nodes.named(broadcast.ingest_node)
        sight = _look_for_publisher(node, broadcast, ingest, now)
        present = sight is Sight.THERE
        if broadcast.wanted == Wanted.OFF:
            return None
        if present and not stream.takeover:
            text = f"A second publisher, from {ingest.address}, was refused."
            _tell(broadcast, EventKind.REFUSED, text)
            return None
        if not present and _is_over(broadcast, stream, now):
            _close(broadcast, now)
            continue
        if _replace(broadcast, ingest, now):
            if sight is not Sight.AWAY:  # at a node that comes back the foreman finds and drops it
                drop_quietly(node, broadcast.ingest_name)
            _tell_of_return(broadcast, ingest, present, now)
            return broadcast
    return None


def _is_deleted(stream: Stream) -> bool:
    """Who deletes a stream disables it before he looks what has to go with it: seen enabled after
    its broadcast was opened, it takes that with it."""
    return not Stream.objects.filter(pk=stream.pk, enabled=True).exists()


def _tell(broadcast: Broadcast, kind: EventKind, text: str, at: datetime | None = None) -> None:
    """What happened has happened, even if the timeline cannot take it."""
    try:
        note(broadcast.pk, kind, text, at=at)
    except DatabaseError as error:
        logger.warning("a line of the timeline is lost (%s): %s", text, error)


def _tell_of_return(broadcast: Broadcast, ingest: Ingest, present: bool, now: datetime) -> None:
    if present:
        text = f"A second publisher, from {ingest.address}, replaced the first."
        _tell(broadcast, EventKind.TAKEN_OVER, text)
        return
    away = (now - broadcast.publisher_gone_at).total_seconds() if broadcast.publisher_gone_at else 0
    text = f"The publisher came back from {ingest.address}" + (
        f" after {away:.0f} s." if away else "."
    )
    _tell(broadcast, EventKind.RECONNECTED, text)


def _reopen(stream: Stream, ingest: Ingest, now: datetime) -> Broadcast | None:
    """The stream's newest broadcast, if it was refused lately before anything was on air."""
    newest = Broadcast.objects.filter(stream=stream).order_by("-started_at").first()
    if newest is None or newest.state != BroadcastState.FAILED or newest.ended_at is None:
        return None
    if newest.renditions or now - newest.ended_at > REFUSED_LATELY:
        return None
    try:
        reopened = update_once(
            Broadcast.objects.filter(pk=newest.pk, open_key=None, ended_at=newest.ended_at),
            Broadcast.objects.filter(pk=newest.pk, ingest_name=ingest.name),
            open_key=stream.pk,
            wanted=Wanted.ON,
            state=BroadcastState.STARTING,
            ended_at=None,
            end_reason="",
            **_columns(ingest, now),
        )
    except IntegrityError:  # somebody opened another one in this very moment
        return None
    return newest if reopened else None


def _open(stream: Stream, ingest: Ingest, now: datetime) -> Broadcast | None:
    broadcast = Broadcast(
        stream=stream, open_key=stream.pk, started_at=now, **_columns(ingest, now)
    )
    try:
        insert_once(broadcast)
    except IntegrityError:  # somebody opened one in this very moment
        return None
    return broadcast


def _replace(broadcast: Broadcast, ingest: Ingest, now: datetime) -> bool:
    # Internal names are unique, so the old one serves as the version of these columns.
    return update_once(
        Broadcast.objects.filter(
            pk=broadcast.pk,
            open_key=broadcast.open_key,
            wanted=Wanted.ON,
            ingest_name=broadcast.ingest_name,
        ),
        Broadcast.objects.filter(pk=broadcast.pk, ingest_name=ingest.name),
        **_columns(ingest, now),
    )


def _columns(ingest: Ingest, now: datetime) -> dict[str, object]:
    return {
        "ingest_node": ingest.node,
        "ingest_name": ingest.name,
        "ingest_client": ingest.client,
        "ingest_address": ingest.address,
        "ingest_since": now,
        "publisher_gone_at": None,
        # Crashes and refusals were about the publisher before.
        "crashes": 0,
        "gave_up_on": "",
        "end_note": "",
    }


class Sight(Enum):
    """What can be seen of the publisher of record; its `done` may never have come."""

    THERE = "there"
    # Listed, but nothing comes: a dead connection that nginx has yet to notice. An encoder sends
    # sound and picture many times a second.
    SILENT = "silent"
    AWAY = "away"


def _look_for_publisher(
    node: IngestNode, broadcast: Broadcast, newcomer: Ingest, now: datetime
) -> Sight:
    if broadcast.publisher_gone_at is not None:
        return Sight.AWAY
    elsewhere = broadcast.ingest_node != newcomer.node
    lately = broadcast.ingest_since is not None and _lately(broadcast.ingest_since, now)
    if lately and not elsewhere:
        return Sight.THERE
    try:
        before = node.publishers(fresh=True).get(broadcast.ingest_name)
        if lately:
            return Sight.THERE
        if before is None:
            return Sight.AWAY
        time.sleep(SILENCE)
        after = node.publishers(fresh=True).get(broadcast.ingest_name)
    except IngestUnreachable as error:
        # An encoder whose ingest is lost tries the next one at once; one question may get lost.
        same_streamer = elsewhere and broadcast.ingest_address == newcomer.address
        if (elsewhere and isinstance(error, IngestDown)) or (same_streamer and not _answers(node)):
            return Sight.AWAY
        return Sight.AWAY if _is_silent(broadcast, now, SILENT) else Sight.THERE
    if after is None:
        return Sight.AWAY
    return Sight.THERE if after.bytes_in > before.bytes_in else Sight.SILENT


def _answers(node: IngestNode) -> bool:
    try:
        node.publishers(fresh=True)
    except IngestUnreachable:
        return False
    return True


def is_missing(
    broadcast: Broadcast,
    published: Container[str] | None,
    now: datetime,
    segment: datetime | None = None,
) -> bool:
    """Whether /stat of its node should list the publisher of record by now, and does not; or the
    node is long lost (None) and nothing of it arrives. `segment`: when the newest one was finished,
    where the row may not know."""
    since = broadcast.ingest_since
    if broadcast.publisher_gone_at is not None or since is None or _lately(since, now):
        return False
    if published is None:
        return _is_silent(broadcast, now, NODE_LOST, segment)
    return broadcast.ingest_name not in published


def _lately(since: datetime, now: datetime) -> bool:
    """Whether a publisher that came then may not be listed yet. A time that lies farther ahead is
    from a clock that was set back: clocks of several hosts differ by less."""
    return abs(now - since) < LISTED_WITHIN


def is_there_after_all(broadcast: Broadcast, published: Container[str], now: datetime) -> bool:
    """Whether /stat goes on listing the publisher of record long after it was said to be gone."""
    gone_at = broadcast.publisher_gone_at
    return (
        gone_at is not None
        and abs(now - gone_at) >= STILL_LISTED
        and broadcast.ingest_name in published
    )


def is_gone_in_the_future(broadcast: Broadcast, now: datetime) -> bool:
    """Whether the clock was set back since: its grace would last by so much longer."""
    gone_at = broadcast.publisher_gone_at
    return gone_at is not None and gone_at - now > LISTED_WITHIN


def gone_since(broadcast: Broadcast, now: datetime, segment: datetime | None = None) -> datetime:
    """When a publisher left that is found to be missing. `segment`: as above."""
    newest = _last_sign(broadcast, segment)
    return newest if now - newest > QUIET else now


def _is_silent(
    broadcast: Broadcast, now: datetime, patience: timedelta, segment: datetime | None = None
) -> bool:
    return now - _last_sign(broadcast, segment) > patience


def _last_sign(broadcast: Broadcast, segment: datetime | None = None) -> datetime:
    signs = (segment, broadcast.last_segment_at, broadcast.ingest_since, broadcast.started_at)
    return max(sign for sign in signs if sign is not None)


def _is_over(broadcast: Broadcast, stream: Stream, now: datetime) -> bool:
    """Whether its grace has passed without a worker to notice."""
    gone_at = broadcast.publisher_gone_at or gone_since(broadcast, now)
    grace = timedelta(seconds=stream.grace_seconds)
    return now - gone_at > grace and broadcast.lease_until <= now


def _close(broadcast: Broadcast, now: datetime) -> None:
    """End a broadcast that nobody drives. The garbage collector closes its folder, and ends its
    FFmpeg should there still be one."""
    same = Broadcast.objects.filter(
        pk=broadcast.pk, fence=broadcast.fence, ingest_name=broadcast.ingest_name
    )
    closed = update_once(
        same.filter(lease_until__lte=now),
        same.filter(open_key=None, ended_at=now),
        **broadcast.closing(EndReason.PUBLISHER_GONE, now),
    )
    if closed:
        Run.settle(broadcast, EndReason.LOST, now)
        _tell(broadcast, EventKind.ENDED, farewell(EndReason.PUBLISHER_GONE))


def mark_back(broadcast: Broadcast) -> bool:
    """Take back that the broadcast's publisher left."""
    return _gone_at(broadcast, None)


def mark_gone_anew(broadcast: Broadcast, now: datetime) -> bool:
    """Let the grace begin now."""
    return _gone_at(broadcast, now)


def _gone_at(broadcast: Broadcast, at: datetime | None) -> bool:
    rows = Broadcast.objects.filter(
        pk=broadcast.pk,
        open_key__isnull=False,
        ingest_name=broadcast.ingest_name,
        publisher_gone_at=broadcast.publisher_gone_at,
    )
    return rows.update(publisher_gone_at=at) == 1


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
    same = Broadcast.objects.filter(
        pk=broadcast.pk, open_key__isnull=False, ingest_name=broadcast.ingest_name
    )
    marked = update_once(
        same.filter(publisher_gone_at=None),
        same.filter(publisher_gone_at=now),
        publisher_gone_at=now,
    )
    if marked:
        _tell(broadcast, EventKind.PUBLISHER_LEFT, "The publisher left.", at=now)
    return marked
