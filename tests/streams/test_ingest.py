"""Publishers of record against what /stat lists, and clocks that jump."""

import socket
import time
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
from streams.ingest_node import REACHED_WITHIN, IngestNode, IngestUnreachable
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


class FakeNodes:
    def __init__(self, node: FakeNode | IngestNode | None = None) -> None:
        self._node = node or FakeNode()

    def named(self, name: str) -> FakeNode | IngestNode:
        return self._node


@pytest.fixture
def killed() -> IngestNode:
    """Its host says that nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return IngestNode(f"http://127.0.0.1:{port}")


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
    admitted = admit(broadcast.stream, again, FakeNodes(), timezone.now() - HOUR)  # type: ignore[arg-type]
    assert admitted is not None
    assert admitted.pk == broadcast.pk


class AnswersTheSecondTime(IngestNode):
    asked = 0

    def publishers(self, *, fresh: bool = False) -> dict[str, Publisher]:
        self.asked += 1
        if self.asked == 1:
            raise IngestUnreachable("a packet was lost")
        return {}


def publish_elsewhere(
    broadcast: Broadcast, node: IngestNode, address: str = "203.0.113.9"
) -> Broadcast | None:
    """Somebody comes to another ingest than the one of record, which is `node`."""
    Broadcast.objects.update(ingest_node="one", ingest_address="203.0.113.9")
    newcomer = Ingest("two", "in-2", "12", address)
    return admit(broadcast.stream, newcomer, FakeNodes(node), timezone.now())  # type: ignore[arg-type]


@pytest.mark.parametrize("came", [HOUR, SECOND])
def test_whose_ingest_was_killed_goes_on_at_another_one_at_once(
    broadcast: Broadcast, killed: IngestNode, came: timedelta
) -> None:
    now = timezone.now()
    Broadcast.objects.update(ingest_since=now - came, last_segment_at=now)
    assert publish_elsewhere(broadcast, killed, "198.51.100.7") is not None
    broadcast.refresh_from_db()
    assert (broadcast.ingest_node, broadcast.ingest_name) == ("two", "in-2")


def test_an_encoder_whose_ingest_is_lost_goes_on_at_another_one_at_once(
    broadcast: Broadcast, lost_url: str
) -> None:
    now = timezone.now()
    Broadcast.objects.update(ingest_since=now - HOUR, last_segment_at=now)
    began = time.monotonic()
    assert publish_elsewhere(broadcast, IngestNode(lost_url)) is not None
    # Its hook has four seconds in all; that node is asked twice, and no more.
    assert time.monotonic() - began < 3 * REACHED_WITHIN


def test_one_question_that_got_lost_throws_no_publisher_out(broadcast: Broadcast) -> None:
    """A second encoder of the same streamer, at another ingest, without takeover."""
    now = timezone.now()
    Broadcast.objects.update(ingest_since=now - HOUR, last_segment_at=now)
    node = AnswersTheSecondTime("http://127.0.0.1:1")
    assert publish_elsewhere(broadcast, node) is None
    assert node.asked == 2


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
