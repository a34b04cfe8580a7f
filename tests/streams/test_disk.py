"""What a host does about its disk, and whom it tells."""

import fcntl
import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from streams import disk
from streams.models import Broadcast, Event, Stream
from streams.origin import pressure, run_folder
from streams.origin.pressure import Level, Watermark
from streams.supervisor.states import EventKind

NEVER, ALWAYS = Watermark.parse("0"), Watermark.parse("100%")


@pytest.fixture
def root(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DISK_LOW = settings.DISK_MIN_FREE = NEVER
    return tmp_path


@pytest.fixture
def on_air(stream: Stream, root: Path) -> Broadcast:
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    run_folder.open_broadcast(root, stream.name, broadcast.pk.hex, timezone.now(), 30)
    return broadcast


def test_where_there_is_room_nothing_is_said(
    root: Path, on_air: Broadcast, caplog: pytest.LogCaptureFixture
) -> None:
    assert disk.relieve(root) is Level.ROOM
    assert not Event.objects.exists()
    assert not caplog.records


def test_a_level_that_rises_is_told_once_to_those_on_air(
    root: Path, on_air: Broadcast, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DISK_LOW = settings.DISK_MIN_FREE = ALWAYS
    assert disk.relieve(root) is disk.relieve(root) is Level.SCARCE
    event = Event.objects.get()
    assert (event.broadcast_id, event.kind) == (on_air.pk, EventKind.DISK)
    assert "nothing is kept after a broadcast's end" in event.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_those_whose_segments_lie_on_another_host_are_not_told(
    root: Path, stream: Stream, settings: LazySettings
) -> None:
    Broadcast.objects.create(stream=stream, open_key=stream.pk)
    settings.DISK_LOW = ALWAYS
    assert disk.relieve(root) is Level.LOW
    assert not Event.objects.exists()


def test_a_level_lasts_until_it_has_been_quiet(root: Path, settings: LazySettings) -> None:
    pressure.remember(root, Level.LOW)
    assert disk.relieve(root) is Level.LOW
    long_ago = timezone.now() - timedelta(seconds=pressure.QUIET + 1)
    os.utime(root / pressure.LINK, (0, long_ago.timestamp()), follow_symlinks=False)
    assert disk.relieve(root) is Level.ROOM
    assert pressure.read(root)[0] is Level.ROOM


def test_while_there_is_room_what_is_over_goes_now_and_then(
    root: Path, on_air: Broadcast, settings: LazySettings
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    run_folder.end_broadcast(root, on_air.stream.name, on_air.pk.hex, long_ago)
    folder = root / on_air.stream.name / on_air.pk.hex
    disk.relieve(root, thorough=False)
    assert folder.exists()
    disk.relieve(root)
    assert not folder.exists()


def test_where_there_is_little_it_goes_at_once(
    root: Path, on_air: Broadcast, settings: LazySettings
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    run_folder.end_broadcast(root, on_air.stream.name, on_air.pk.hex, long_ago)
    settings.DISK_LOW = ALWAYS
    disk.relieve(root, thorough=False)
    assert not (root / on_air.stream.name / on_air.pk.hex).exists()


def test_of_several_workers_one_makes_room(root: Path, settings: LazySettings) -> None:
    settings.DISK_LOW = ALWAYS
    other = os.open(root, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert disk.relieve(root) is Level.ROOM
    os.close(other)
    assert disk.relieve(root) is Level.LOW


def test_where_nothing_was_ever_on_air_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert disk.relieve(tmp_path / "missing") is Level.ROOM
    assert not (tmp_path / "missing").exists()
