"""Leases: who may drive a broadcast. Taken by a conditional update that raises the fence."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from streams import identity
from streams.models import Broadcast
from streams.once import update_once

TERM = timedelta(seconds=15)
RENEW_EVERY = 5.0  # seconds


@dataclass(frozen=True)
class Lease:
    """Valid while the row still names this holder and this fence."""

    broadcast_id: UUID
    holder: str
    fence: int


def is_free(broadcast: Broadcast, now: datetime) -> bool:
    """Whether its lease may be taken: it has run out, or its holder is a dead process of this host.

    One that ends later than any lease can was given by a clock that has been set back since.
    """
    until = broadcast.lease_until
    return not now < until <= now + 2 * TERM or identity.is_dead(broadcast.holder)


def acquire(broadcast_id: UUID, holder: str, now: datetime | None = None) -> Lease | None:
    """Take the lease if it is free and the broadcast is open; else None.

    A holder asks for a broadcast's in one thread at a time. Raises what the database raises: then
    nobody knows, and the lease runs out by itself if it was taken.
    """
    now = now or timezone.now()
    row = Broadcast.objects.filter(pk=broadcast_id, open_key__isnull=False).first()
    if row is None or not is_free(row, now):
        return None
    # Whoever takes it raises the fence, and whoever renews it moves its end: one of two wins.
    unchanged = Q(fence=row.fence, holder=row.holder, lease_until=row.lease_until)
    won = update_once(
        Broadcast.objects.filter(unchanged, pk=broadcast_id, open_key__isnull=False),
        Broadcast.objects.filter(pk=broadcast_id, holder=holder, fence=row.fence + 1),
        holder=holder,
        fence=row.fence + 1,
        lease_until=now + TERM,
    )
    return Lease(broadcast_id, holder, row.fence + 1) if won else None


def renew(lease: Lease) -> bool:
    return _update(lease, lease_until=timezone.now() + TERM)


def release(lease: Lease) -> bool:
    """Let the next one have it at once."""
    return _update(lease, lease_until=timezone.now(), holder="")


def _update(lease: Lease, **columns: object) -> bool:
    return held(lease).update(**columns) == 1


def held(lease: Lease) -> QuerySet[Broadcast]:
    """The lease's row while the lease is good; no row afterwards."""
    return Broadcast.objects.filter(pk=lease.broadcast_id, holder=lease.holder, fence=lease.fence)
