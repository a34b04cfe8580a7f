"""Claims: whether this host should take a broadcast that nobody drives, or leave it to another."""

from datetime import datetime, timedelta
from uuid import UUID

from streams import capacity, identity, lease
from streams.models import Broadcast, Run
from streams.steadiness import Steadiness
from streams.supervisor.states import AT_WORK

# A worker that restarts finds its FFmpegs again; here they would have to be started anew.
RETURNS_WITHIN = timedelta(seconds=15)


def should_take(broadcast_id: UUID, now: datetime, record: Steadiness) -> bool:
    """False also when it is driven. Raises what the database raises."""
    row = Broadcast.objects.filter(pk=broadcast_id, open_key__isnull=False).first()
    if row is None or not lease.is_free(row, now):
        return False
    runs = Run.objects.filter(broadcast_id=broadcast_id, state__in=AT_WORK)
    hosts = set(runs.values_list("host", flat=True))
    if any(identity.is_here(host) for host in hosts):
        return True
    if hosts and not record.is_enough:
        return False
    waited = now - row.lease_until
    handed_over = not row.holder
    if hosts and handed_over and waited < RETURNS_WITHIN:
        return False
    return not capacity.leave_to_another(now, waited.total_seconds())
