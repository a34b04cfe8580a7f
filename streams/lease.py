"""Leases: who may drive a broadcast. Taken by a conditional update that raises the fence."""

import secrets
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone

from streams.models import Broadcast

TERM = timedelta(seconds=15)
RENEW_EVERY = 5.0  # seconds

HOST = socket.gethostname()


@dataclass(frozen=True)
class Lease:
    """Valid while the row still names this holder and this fence."""

    broadcast_id: UUID
    holder: str
    fence: int


def acquire(broadcast_id: UUID, now: datetime | None = None) -> Lease | None:
    """Take the lease if it is free or has run out, and the broadcast is open; else None."""
    now = now or timezone.now()
    # A token of its own per attempt: whoever reads it back knows that its own update won.
    holder = f"{HOST}:{secrets.token_hex(8)}"
    won = Broadcast.objects.filter(
        pk=broadcast_id, open_key__isnull=False, lease_until__lte=now
    ).update(holder=holder, fence=F("fence") + 1, lease_until=now + TERM)
    if won != 1:
        return None
    row = Broadcast.objects.filter(pk=broadcast_id, holder=holder).first()
    return Lease(broadcast_id, holder, row.fence) if row is not None else None


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
