"""Publishers of record against what /stat lists, and clocks that jump."""

from datetime import timedelta

import pytest
from django.utils import timezone

from streams.ingest import (
    Ingest,
    admit,
    is_gone_in_the_future,
    is_missing,
    is_there_after_all,
    mark_back,
    mark_gone_anew,
)
from streams.ladder.stat import Publisher
from streams.models import Broadcast, Stream

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class FakeNode:
    """Lists nobody."""

    def publishers(self, *, fresh: bool = False) -> dict[str, Publisher]:
        return {}

    def drop(self, name: str) -> int:
        return 0


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="in", ingest_since=timezone.now()
    )


def test_one_who_came_just_now_may_not_be_listed_yet(broadcast: Broadcast) -> None:
    now = timezone.now()
    assert not is_missing(broadcast, [], now)
    assert is_missing(broadcast, [], now + 6 * SECOND)
    assert not is_missing(broadcast, ["in"], now + 6 * SECOND)


def test_a_clock_that_was_set_back_keeps_nobody_on_record(broadcast: Broadcast) -> None:
    assert is_missing(broadcast, [], timezone.now() - HOUR)


def test_clocks_of_two_hosts_may_differ_by_a_second(broadcast: Broadcast) -> None:
    assert not is_missing(broadcast, [], timezone.now() - SECOND)


def test_a_clock_that_was_set_back_locks_no_publisher_out(broadcast: Broadcast) -> None:
    """The ingest was killed, so nobody said that the first one left."""
    again = Ingest("local", "in-2", "12", "203.0.113.9")
    admitted = admit(broadcast.stream, again, FakeNode(), timezone.now() - HOUR)  # type: ignore[arg-type]
    assert admitted is not None
    assert admitted.pk == broadcast.pk


def test_a_grace_from_before_the_clock_was_set_back_begins_anew(broadcast: Broadcast) -> None:
    now = timezone.now()
    broadcast.publisher_gone_at = now + HOUR
    broadcast.save()
    assert is_gone_in_the_future(broadcast, now)
    assert mark_gone_anew(broadcast, now)
    broadcast.refresh_from_db()
    assert not is_gone_in_the_future(broadcast, now)


def test_one_who_was_said_to_be_gone_and_stays_listed_is_there(broadcast: Broadcast) -> None:
    now = timezone.now()
    broadcast.publisher_gone_at = now
    broadcast.save()
    assert not is_there_after_all(broadcast, ["in"], now + SECOND)
    assert not is_there_after_all(broadcast, [], now + 3 * SECOND)
    assert is_there_after_all(broadcast, ["in"], now + 3 * SECOND)
    assert mark_back(broadcast)
    assert not mark_back(broadcast)  # what was read is out of date now
    broadcast.refresh_from_db()
    assert broadcast.publisher_gone_at is None
