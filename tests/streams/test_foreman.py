"""The foreman: what nobody drives is driven, who left is noticed, what nobody wants is ended."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.utils import timezone

from streams import foreman
from streams.models import Broadcast, Run, Stream
from streams.steadiness import Steadiness
from streams.supervisor.process import Process, find_runs
from streams.supervisor.states import RunState


class FakeCrew:
    def __init__(self) -> None:
        self.taken: list[UUID] = []
        self.record = Steadiness()

    def take(self, broadcast_id: UUID) -> bool:
        self.taken.append(broadcast_id)
        return True


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk)


def reconcile() -> list[UUID]:
    crew = FakeCrew()
    foreman.reconcile(crew)  # type: ignore[arg-type]
    return crew.taken


def test_a_broadcast_that_nobody_drives_gets_a_driver(broadcast: Broadcast) -> None:
    assert reconcile() == [broadcast.pk]


def test_a_broadcast_with_a_driver_is_left_alone(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=timezone.now() + timedelta(seconds=15), holder="other")
    assert reconcile() == []


def test_the_next_round_comes_no_later_than_a_lease_runs_out(broadcast: Broadcast) -> None:
    """A host that is lost gives no lease back."""
    ends = timezone.now() + timedelta(seconds=1)
    Broadcast.objects.update(lease_until=ends, holder="other")
    assert 0 < foreman.reconcile(FakeCrew()) <= 1  # type: ignore[arg-type]


def test_a_closed_broadcast_is_left_alone(broadcast: Broadcast) -> None:
    Broadcast.objects.update(open_key=None)
    assert reconcile() == []


def test_an_ingest_that_is_away_ends_no_broadcast(broadcast: Broadcast) -> None:
    Broadcast.objects.update(ingest_since=timezone.now() - timedelta(minutes=1))
    reconcile()
    broadcast.refresh_from_db()
    assert broadcast.publisher_gone_at is None


@pytest.mark.django_db
def test_a_round_leaves_a_sign_of_life_for_the_health_check() -> None:
    reconcile()
    assert timezone.now().timestamp() - cache.get(foreman.RECONCILED_AT) < 5


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Iterator[tuple[str, Process]]:
    """A process with a run id, standing in for an FFmpeg; whether a row knows it is the point."""
    run_id = uuid4().hex
    process = Process.spawn(["sleep", "60"], run_id=run_id, root=tmp_path, log=tmp_path / "log")
    deadline = time.monotonic() + 5
    while not list(find_runs(tmp_path)):  # the kernel shows its environment a moment later
        assert time.monotonic() < deadline
    yield run_id, process
    if not process.exited:
        process.put_down()


def add_run(broadcast: Broadcast, run_id: str, state: RunState) -> None:
    Run.objects.create(id=run_id, broadcast=broadcast, number=1, fence=1, host="here", state=state)


def test_an_ffmpeg_no_row_knows_is_ended(
    broadcast: Broadcast, ffmpeg: tuple[str, Process], tmp_path: Path
) -> None:
    foreman.put_down_strays(tmp_path)
    assert ffmpeg[1].exited


def test_an_ffmpeg_whose_run_is_over_is_ended(
    broadcast: Broadcast, ffmpeg: tuple[str, Process], tmp_path: Path
) -> None:
    add_run(broadcast, ffmpeg[0], RunState.ENDED)
    foreman.put_down_strays(tmp_path)
    assert ffmpeg[1].exited


def test_an_ffmpeg_at_work_is_left_alone(
    broadcast: Broadcast, ffmpeg: tuple[str, Process], tmp_path: Path
) -> None:
    add_run(broadcast, ffmpeg[0], RunState.RUNNING)
    foreman.put_down_strays(tmp_path)
    assert not ffmpeg[1].exited


def test_an_ffmpeg_of_another_installation_is_left_alone(
    broadcast: Broadcast, ffmpeg: tuple[str, Process], tmp_path: Path
) -> None:
    foreman.put_down_strays(tmp_path / "other")
    assert not ffmpeg[1].exited
