"""Leases: one holder at a time, however many try."""

import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from streams import identity, lease
from streams.models import Broadcast, Stream


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


def expire(broadcast: Broadcast) -> None:
    Broadcast.objects.filter(pk=broadcast.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_a_held_lease_is_not_given_again(broadcast: Broadcast) -> None:
    assert lease.acquire(broadcast.pk, "worker") is not None
    assert lease.acquire(broadcast.pk, "worker") is None


def test_an_expired_lease_changes_hands_and_raises_the_fence(broadcast: Broadcast) -> None:
    first = lease.acquire(broadcast.pk, "worker")
    expire(broadcast)
    second = lease.acquire(broadcast.pk, "worker")
    assert first is not None
    assert second is not None
    assert (first.fence, second.fence) == (1, 2)
    assert not lease.renew(first)
    assert lease.renew(second)


def test_a_renewal_after_expiry_is_good_while_nobody_took_it(broadcast: Broadcast) -> None:
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    expire(broadcast)
    assert lease.renew(held)
    assert lease.acquire(broadcast.pk, "worker") is None


def test_a_released_lease_is_free_at_once(broadcast: Broadcast) -> None:
    held = lease.acquire(broadcast.pk, "worker")
    assert held is not None
    lease.release(held)
    assert lease.acquire(broadcast.pk, "worker") is not None
    assert not lease.renew(held)


def test_a_closed_broadcast_has_no_lease(broadcast: Broadcast) -> None:
    Broadcast.objects.filter(pk=broadcast.pk).update(open_key=None)
    assert lease.acquire(broadcast.pk, "worker") is None


def test_a_dead_workers_lease_is_free_at_once(broadcast: Broadcast) -> None:
    name = "from streams import identity; print(identity.make())"
    dead = subprocess.run([sys.executable, "-c", name], capture_output=True, text=True, check=True)
    assert lease.acquire(broadcast.pk, dead.stdout.strip()) is not None
    assert lease.acquire(broadcast.pk, "worker") is not None


def test_a_living_workers_lease_is_not(broadcast: Broadcast) -> None:
    assert lease.acquire(broadcast.pk, identity.make()) is not None
    assert lease.acquire(broadcast.pk, "worker") is None


def test_a_lease_from_a_clock_that_was_set_back_is_free(broadcast: Broadcast) -> None:
    assert lease.acquire(broadcast.pk, "worker", timezone.now() + timedelta(hours=1)) is not None
    assert lease.acquire(broadcast.pk, "another") is not None


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_workers_one_gets_it(broadcast: Broadcast) -> None:
    won: list[lease.Lease] = []
    ready = threading.Barrier(16)

    def race() -> None:
        try:
            ready.wait(10)
            held = lease.acquire(broadcast.pk, identity.make())
            if held is not None:
                won.append(held)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 1
    broadcast.refresh_from_db()
    assert (broadcast.holder, broadcast.fence) == (won[0].holder, 1)
