"""The chores: what nobody drives is driven, what nobody wants is cleared away."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.utils import timezone
from django_redis import get_redis_connection

from streams import tasks
from streams.ingest_node import node
from streams.models import Broadcast, Run, Stream
from streams.origin import run_folder
from streams.supervisor.process import Process, find_runs
from streams.supervisor.states import RunState


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


@pytest.fixture
def root(settings: LazySettings, tmp_path: Path) -> Path:
    settings.HLS_ROOT = tmp_path
    return tmp_path


def waiting() -> int:
    """Tasks in the queue that drives broadcasts; the broker is real."""
    return int(get_redis_connection("default").llen("broadcasts"))


@pytest.fixture(autouse=True)
def _empty_queue() -> None:
    get_redis_connection("default").delete("broadcasts")


def test_a_broadcast_that_nobody_drives_gets_a_driver(broadcast: Broadcast) -> None:
    tasks.reconcile()
    assert waiting() == 1


def test_a_broadcast_with_a_driver_is_left_alone(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=timezone.now() + timedelta(seconds=15))
    tasks.reconcile()
    assert waiting() == 0


def test_a_closed_broadcast_is_left_alone(broadcast: Broadcast) -> None:
    Broadcast.objects.update(open_key=None)
    tasks.reconcile()
    assert waiting() == 0


def test_an_ingest_that_is_away_ends_no_broadcast(broadcast: Broadcast) -> None:
    Broadcast.objects.update(ingest_since=timezone.now() - timedelta(minutes=1))
    tasks.reconcile()
    broadcast.refresh_from_db()
    assert broadcast.publisher_gone_at is None


def test_a_publisher_missed_late_is_dated_from_the_last_segment(
    broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_get", lambda path: b"<rtmp></rtmp>")
    then = timezone.now() - timedelta(hours=8)
    Broadcast.objects.update(started_at=then, ingest_since=then, last_segment_at=then)
    tasks.reconcile()
    broadcast.refresh_from_db()
    assert broadcast.publisher_gone_at == then


@pytest.mark.django_db
def test_reconciling_leaves_a_sign_of_life_for_the_health_check() -> None:
    tasks.reconcile()
    assert timezone.now().timestamp() - cache.get(tasks.RECONCILED_AT) < 5


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


@pytest.fixture
def ffmpeg(root: Path) -> Iterator[tuple[str, Process]]:
    """A process with a run id, standing in for an FFmpeg; whether a row knows it is the point."""
    run_id = uuid4().hex
    process = Process.spawn(["sleep", "60"], run_id=run_id, root=root, log=root / "log")
    deadline = time.monotonic() + 5
    while not list(find_runs(root)):  # the kernel shows its environment a moment after its start
        assert time.monotonic() < deadline
    yield run_id, process
    if not process.exited:
        process.put_down()


def add_run(broadcast: Broadcast, run_id: str, state: RunState) -> None:
    Run.objects.create(id=run_id, broadcast=broadcast, number=1, fence=1, host="here", state=state)


def test_an_ffmpeg_no_row_knows_is_ended(broadcast: Broadcast, ffmpeg: tuple[str, Process]) -> None:
    tasks.collect_garbage()
    assert ffmpeg[1].exited


def test_an_ffmpeg_whose_run_is_over_is_ended(
    broadcast: Broadcast, ffmpeg: tuple[str, Process]
) -> None:
    add_run(broadcast, ffmpeg[0], RunState.ENDED)
    tasks.collect_garbage()
    assert ffmpeg[1].exited


def test_an_ffmpeg_at_work_is_left_alone(broadcast: Broadcast, ffmpeg: tuple[str, Process]) -> None:
    add_run(broadcast, ffmpeg[0], RunState.RUNNING)
    tasks.collect_garbage()
    assert not ffmpeg[1].exited
