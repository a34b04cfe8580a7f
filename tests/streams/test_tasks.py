"""The tasks: a hint to drive a broadcast, and the chores."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from streams import api, tasks
from streams.management.commands import broadcasts
from streams.models import Broadcast, Stream
from streams.origin import run_folder
from streams.supervisor.states import BroadcastState
from tests import mongod


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


@pytest.fixture
def root(settings: LazySettings, tmp_path: Path) -> Path:
    settings.HLS_ROOT = tmp_path
    return tmp_path


def test_driving_a_broadcast_that_somebody_drives_returns_at_once(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=timezone.now() + timedelta(seconds=15), holder="other")
    tasks.drive_broadcast(str(broadcast.pk))
    broadcast.refresh_from_db()
    assert (broadcast.holder, broadcast.fence) == ("other", 0)


def test_a_folder_whose_broadcast_is_closed_is_closed_too(broadcast: Broadcast, root: Path) -> None:
    run_folder.open_broadcast(root, "stream", broadcast.pk.hex, timezone.now(), 30)
    tasks.collect_garbage()
    assert list(run_folder.unended_broadcasts(root)) == [("stream", broadcast.pk.hex)]
    assert (root / "stream" / "current").readlink() == Path(broadcast.pk.hex)
    Broadcast.objects.update(open_key=None)
    tasks.collect_garbage()
    assert list(run_folder.unended_broadcasts(root)) == []
    assert not (root / "stream" / "current").is_symlink()


def test_a_folder_that_nothing_points_at_is_closed_as_well(
    broadcast: Broadcast, root: Path
) -> None:
    run_folder.open_broadcast(root, "stream", broadcast.pk.hex, timezone.now(), 30)
    (root / "stream" / "current").unlink()
    Broadcast.objects.update(open_key=None)
    tasks.collect_garbage()
    assert list(run_folder.unended_broadcasts(root)) == []


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite lets no row lose its parent")
def test_a_broadcast_that_lost_its_stream_is_shown_nowhere_and_goes(
    broadcast: Broadcast, root: Path
) -> None:
    """As when a publisher came in the very moment in which the stream was deleted."""
    Broadcast.objects.update(state=BroadcastState.LIVE)
    assert len(api.on_air()) == 1
    Stream.objects.filter(pk=broadcast.stream_id)._raw_delete("default")  # type: ignore[attr-defined]
    assert api.on_air() == []
    assert broadcasts.on_air() == []
    tasks.collect_garbage()
    assert not Broadcast.objects.exists()
