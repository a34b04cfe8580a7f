"""The wall clock jumps. Leases are the only thing that is told by it across processes."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from streams import identity, lease
from streams.models import Broadcast, Stream

pytestmark = pytest.mark.django_db

# Of another host, so that nothing but its end says whether it is good.
HOLDER = "elsewhere:1:1:1:x"


def on_air(seconds: float) -> Broadcast:
    """Driven by somebody else, with a lease that ends in so many seconds."""
    stream = Stream.objects.create(name=f"s-{uuid.uuid4().hex[:8]}")
    return Broadcast.objects.create(
        stream=stream,
        open_key=stream.pk,
        holder=HOLDER,
        fence=7,
        lease_until=timezone.now() + timedelta(seconds=seconds),
    )


def test_a_lease_that_outlasts_any_lease_was_given_by_a_clock_that_was_set_back_since() -> None:
    taken = lease.acquire(on_air(3600).pk, identity.make())
    assert taken is not None
    assert taken.fence == 8


def test_a_good_lease_stays_with_its_holder() -> None:
    assert lease.acquire(on_air(lease.TERM.total_seconds() - 1).pk, identity.make()) is None


def test_a_clock_that_was_set_forward_frees_a_lease_and_its_holder_notices() -> None:
    broadcast = on_air(14)
    later = timezone.now() + timedelta(hours=1)
    taken = lease.acquire(broadcast.pk, identity.make(), later)
    assert taken is not None
    assert not lease.renew(lease.Lease(broadcast.pk, HOLDER, 7))
