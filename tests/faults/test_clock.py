"""The wall clock jumps."""

import os
import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from streams import identity, lease
from streams.models import Broadcast, Stream
from tests.acceptance.stack import until
from tests.faults.channel import Channel

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


@pytest.mark.django_db
def test_a_lease_that_outlasts_any_lease_was_given_by_a_clock_that_was_set_back_since() -> None:
    taken = lease.acquire(on_air(3600).pk, identity.make())
    assert taken is not None
    assert taken.fence == 8


@pytest.mark.django_db
def test_a_good_lease_stays_with_its_holder() -> None:
    assert lease.acquire(on_air(lease.TERM.total_seconds() - 1).pk, identity.make()) is None


@pytest.mark.django_db
def test_a_clock_that_was_set_forward_frees_a_lease_and_its_holder_notices() -> None:
    broadcast = on_air(14)
    later = timezone.now() + timedelta(hours=1)
    taken = lease.acquire(broadcast.pk, identity.make(), later)
    assert taken is not None
    assert not lease.renew(lease.Lease(broadcast.pk, HOLDER, 7))


@pytest.mark.slow_fault
def test_a_clock_that_was_set_forward_makes_no_run_look_stalled(channel: Channel) -> None:
    """All that was written before looks an hour old then, until the next segment comes."""
    encoder, before = channel.encoder(), time.time() - 3600
    folder = channel.stack.hls / channel.record.runs(channel.name)[0]["folder"]
    with channel.fault("wall clock set forward by an hour") as fault:
        channel.await_segments(1)
        newest = channel.newest
        for file in folder.rglob("*.m4s"):
            os.utime(file, (before, before))
        # Without a young segment the origin has nothing to show for a moment; a player asks again.
        goal = newest + 3
        until(lambda: channel.newest_or(0) >= goal, 15, "the playlist goes on")
        fault.over()
    assert channel.encoder() == encoder
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
