"""The tasks: a hint to drive a broadcast, and the chores."""

from datetime import timedelta

import pytest
from django.utils import timezone

from streams import api, tasks
from streams.management.commands import broadcasts
from streams.models import Broadcast, Stream
from streams.supervisor.states import BroadcastState
from tests import mongod


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


def test_driving_a_broadcast_that_somebody_drives_returns_at_once(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=timezone.now() + timedelta(seconds=15), holder="other")
    tasks.drive_broadcast(str(broadcast.pk))
    broadcast.refresh_from_db()
    assert (broadcast.holder, broadcast.fence) == ("other", 0)


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite lets no row lose its parent")
def test_a_broadcast_that_lost_its_stream_is_shown_nowhere_and_goes(broadcast: Broadcast) -> None:
    """As when a publisher came in the very moment in which the stream was deleted."""
    Broadcast.objects.update(state=BroadcastState.LIVE)
    assert len(api.on_air()) == 1
    Stream.objects.filter(pk=broadcast.stream_id)._raw_delete("default")  # type: ignore[attr-defined]
    assert api.on_air() == []
    assert broadcasts.on_air() == []
    tasks.collect_garbage()
    assert not Broadcast.objects.exists()
