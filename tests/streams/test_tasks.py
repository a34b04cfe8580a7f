"""The tasks: a hint to drive a broadcast, and the chores."""

from datetime import timedelta

import pytest
from django.utils import timezone

from streams import tasks
from streams.models import Broadcast, Stream


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


def test_driving_a_broadcast_that_somebody_drives_returns_at_once(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=timezone.now() + timedelta(seconds=15), holder="other")
    tasks.drive_broadcast(str(broadcast.pk))
    broadcast.refresh_from_db()
    assert (broadcast.holder, broadcast.fence) == ("other", 0)
