"""Of several hosts, the one that a broadcast costs its viewers least takes it."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.conf import LazySettings
from django.utils import timezone

from streams import claim
from streams.identity import HOST
from streams.models import Broadcast, Host, Run, Stream
from streams.steadiness import ENOUGH, Steadiness
from streams.supervisor.states import RunState

NOW = timezone.now()
SECOND = timedelta(seconds=1)


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(stream=stream, open_key=stream.pk, lease_until=NOW)


def should_take(broadcast_id: UUID, now: datetime, record: Steadiness | None = None) -> bool:
    return claim.should_take(broadcast_id, now, record or Steadiness())


def fill_this_host(broadcast: Broadcast) -> None:
    others = Broadcast.objects.create(stream=broadcast.stream, open_key=uuid4())
    Run.objects.create(broadcast=others, number=1, fence=1, host=HOST, cpu=1000.0)


def empty_host(seen_at: datetime = NOW) -> None:
    Host.objects.create(name="another", cores=8, seen_at=seen_at)


def test_what_nobody_drives_is_taken(broadcast: Broadcast) -> None:
    assert should_take(broadcast.pk, NOW)


def test_what_is_driven_or_over_is_not(broadcast: Broadcast) -> None:
    Broadcast.objects.update(lease_until=NOW + 5 * SECOND)
    assert not should_take(broadcast.pk, NOW)
    Broadcast.objects.update(lease_until=NOW, open_key=None)
    assert not should_take(broadcast.pk, NOW)


def test_a_full_host_leaves_it_to_an_empty_one_for_a_while(broadcast: Broadcast) -> None:
    fill_this_host(broadcast)
    empty_host()
    assert not should_take(broadcast.pk, NOW + SECOND)
    assert should_take(broadcast.pk, NOW + 3 * SECOND)


def test_a_full_host_takes_it_when_no_other_has_room(broadcast: Broadcast) -> None:
    fill_this_host(broadcast)
    empty_host(seen_at=NOW - timedelta(minutes=1))
    assert should_take(broadcast.pk, NOW + SECOND)


def test_a_host_with_room_waits_for_nobody(broadcast: Broadcast) -> None:
    empty_host()
    assert should_take(broadcast.pk, NOW)


def run_on(host: str, broadcast: Broadcast) -> None:
    Run.objects.create(
        broadcast=broadcast, number=1, fence=1, host=host, state=RunState.RUNNING, cpu=0.0
    )


def test_the_host_of_its_ffmpeg_takes_it_however_full(broadcast: Broadcast) -> None:
    fill_this_host(broadcast)
    empty_host()
    run_on(HOST, broadcast)
    assert should_take(broadcast.pk, NOW)


def test_a_worker_that_restarts_elsewhere_gets_its_own_back(broadcast: Broadcast) -> None:
    run_on("another", broadcast)
    assert not should_take(broadcast.pk, NOW + 14 * SECOND)
    assert should_take(broadcast.pk, NOW + 15 * SECOND)


def test_a_host_that_was_lost_is_not_waited_for(broadcast: Broadcast) -> None:
    run_on("another", broadcast)
    Broadcast.objects.update(holder="another:1:1:1:x")  # it ran out, nobody gave it back
    assert should_take(broadcast.pk, NOW)


def test_after_an_outage_holders_elsewhere_get_the_time_to_renew(broadcast: Broadcast) -> None:
    """Nobody could; their FFmpegs went on."""
    now = [1000.0]
    record = Steadiness(lambda: now[0])
    run_on("another", broadcast)
    Broadcast.objects.update(holder="another:1:1:1:x")
    record.answered(now[0])
    now[0] += 30
    record.answered(now[0] - 25)  # it was away for so long
    assert not should_take(broadcast.pk, NOW, record)
    now[0] += ENOUGH
    record.answered(now[0])
    assert should_take(broadcast.pk, NOW, record)


def test_nor_does_an_outage_keep_a_host_from_its_own(broadcast: Broadcast) -> None:
    record = Steadiness()
    record.failed()
    run_on(HOST, broadcast)
    assert should_take(broadcast.pk, NOW, record)


def test_a_host_that_was_renamed_takes_its_own(
    broadcast: Broadcast, settings: LazySettings
) -> None:
    settings.HOST_ID = "abcd1234"
    fill_this_host(broadcast)
    empty_host()
    run_on("former-name-abcd1234", broadcast)
    assert should_take(broadcast.pk, NOW)
