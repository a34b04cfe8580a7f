"""`manage.py end_broadcasts`: what `app.sh stop` does at last."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone

from streams import identity, lease
from streams.models import Broadcast, Host, Run, Stream
from streams.origin import run_folder
from streams.supervisor.states import BroadcastState, RunState


@pytest.fixture
def broadcast(stream: Stream, settings: LazySettings, tmp_path: Path) -> Broadcast:
    settings.HLS_ROOT = tmp_path
    broadcast = Broadcast.objects.create(
        stream=stream, open_key=stream.pk, state=BroadcastState.LIVE
    )
    Run.objects.create(broadcast=broadcast, number=1, fence=1, host=identity.HOST)
    run_folder.open_broadcast(tmp_path, stream.name, broadcast.pk.hex, timezone.now(), 30)
    return broadcast


def test_it_closes_the_row_and_the_folder(broadcast: Broadcast, tmp_path: Path) -> None:
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.open_key) == (BroadcastState.ENDED, None)
    assert broadcast.ended_at is not None
    assert Run.objects.get().state == RunState.ENDED
    assert list(run_folder.unended_broadcasts(tmp_path)) == []


def test_it_closes_what_a_killed_worker_of_this_host_drove(broadcast: Broadcast) -> None:
    assert lease.acquire(broadcast.pk, identity.make()) is not None
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert broadcast.open_key is None


# The last three: their machines have the same name as ours, but not the id of our state folder.
@pytest.mark.parametrize(
    "host", ["elsewhere", f"{identity.HOST}-ab12cd34", identity.HOST.swapcase(), ""]
)
def test_it_leaves_alone_what_another_host_drives(broadcast: Broadcast, host: str) -> None:
    until = timezone.now() + timedelta(seconds=15)
    Broadcast.objects.update(holder=f"{host}:1", lease_until=until)
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert broadcast.open_key is not None


def test_it_leaves_alone_what_another_host_is_about_to_take_up_again(broadcast: Broadcast) -> None:
    Run.objects.update(host="elsewhere")
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert broadcast.open_key is not None


def test_where_another_host_is_at_work_its_broadcasts_go_on_there(broadcast: Broadcast) -> None:
    held = lease.acquire(broadcast.pk, identity.make())
    assert held is not None
    Host.objects.create(name="elsewhere", seen_at=timezone.now())
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert broadcast.open_key is not None
    assert lease.is_free(broadcast, timezone.now())
    assert Run.objects.get().state == RunState.ENDED  # nobody waits for it to be adopted


def test_a_host_that_was_not_seen_lately_takes_nothing_over(broadcast: Broadcast) -> None:
    Host.objects.create(name="elsewhere", seen_at=timezone.now() - timedelta(minutes=1))
    call_command("end_broadcasts")
    broadcast.refresh_from_db()
    assert broadcast.open_key is None
