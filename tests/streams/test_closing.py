"""Closing: a folder ends with its row, once what was made last has had the time to come."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from streams.closing import SETTLED, close_over
from streams.models import Broadcast, Stream
from streams.origin import run_folder


@pytest.fixture
def broadcast(stream: Stream, tmp_path: Path) -> Broadcast:
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    run_folder.open_broadcast(tmp_path, "stream", broadcast.pk.hex, timezone.now(), 30)
    return broadcast


def unended(root: Path) -> list[str]:
    return [broadcast for _, broadcast in run_folder.unended_broadcasts(root)]


def test_a_folder_whose_broadcast_is_on_air_stays_open(
    broadcast: Broadcast, tmp_path: Path
) -> None:
    close_over(tmp_path, timezone.now())
    assert unended(tmp_path) == [broadcast.pk.hex]


def test_a_folder_whose_broadcast_is_over_is_closed_a_little_later(
    broadcast: Broadcast, tmp_path: Path
) -> None:
    now = timezone.now()
    Broadcast.objects.update(open_key=None, ended_at=now)
    close_over(tmp_path, now + SETTLED / 2)
    assert unended(tmp_path) == [broadcast.pk.hex]
    close_over(tmp_path, now + SETTLED + timedelta(seconds=1))
    assert unended(tmp_path) == []


def test_a_folder_whose_broadcast_was_deleted_is_closed(
    broadcast: Broadcast, tmp_path: Path
) -> None:
    Broadcast.objects.all().delete()
    close_over(tmp_path, timezone.now())
    assert unended(tmp_path) == []
