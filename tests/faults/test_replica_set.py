"""The primary of a MongoDB replica set is lost in the middle of a broadcast and its chat."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests import mongod
from tests.acceptance.encoders import Watch
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.faults.channel import Channel
from tests.faults.chatters import Chatters
from tests.faults.ledger import Entry, Ledger
from tests.faults.record import MongoRecord
from tests.faults.workers import frozen, second_worker
from tests.replica_set import ReplicaSet

pytestmark = [
    pytest.mark.skipif(
        not mongod.ON_MONGODB, reason="is about MongoDB alone; TEST_DB=mongo runs it"
    ),
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
]
NAME = "elected"
CHATTERS = 12


class SetRecord(MongoRecord):
    """Read as a majority has it: that cannot be taken back."""

    def __init__(self, replica_set: ReplicaSet, database: str) -> None:
        self._database = replica_set.client()[database]

    def messages(self) -> list[dict[str, Any]]:
        return list(self._database["chat_message"].find())


@pytest.fixture(scope="module")
def replica_set() -> Iterator[ReplicaSet]:
    replica_set = ReplicaSet()
    try:
        yield replica_set.start()
    finally:
        replica_set.remove()


@pytest.fixture(scope="module")
def own(replica_set: ReplicaSet) -> Iterator[Stack]:
    """A stack on the replica set."""
    stack = Stack()
    stack.environment["MONGODB_URI"] = replica_set.uri_of("livestream")
    try:
        stack.setup()
        yield stack
    finally:
        stack.stop()
        stack.remove()


@pytest.fixture(scope="module")
def channel(own: Stack, replica_set: ReplicaSet, ledger: Ledger) -> Iterator[Channel]:
    own.add_stream(NAME)
    watch = Watch(own.hls).start()
    publisher = Publisher(own.rtmp, NAME, size="640x360")
    channel = Channel(own, watch, ledger, NAME, publisher)
    channel.record = SetRecord(replica_set, "livestream")
    # A second one wants to drive whatever the first one loses.
    log = own.var / "log/second-worker.log"
    try:
        with second_worker("second", own.process_environment(), log):
            yield channel.begin()
    finally:
        publisher.stop()
        watch.stop()


@pytest.mark.parametrize(
    "how", ["killed (kill -9)", pytest.param("hangs (SIGSTOP)", marks=pytest.mark.slow_fault)]
)
def test_a_lost_primary_costs_no_picture_and_no_message(
    channel: Channel, replica_set: ReplicaSet, ledger: Ledger, how: str
) -> None:
    encoder, primary = channel.encoder(), replica_set.primary()
    with Chatters(channel.stack.backend, NAME, CHATTERS) as chat:
        until(lambda: len(chat.acknowledged) > CHATTERS, 20, "everybody talks")
        with channel.fault(f"primary of three MongoDBs {how}") as fault:
            if how.startswith("killed"):
                primary.kill()
                gap = await_new_primary(replica_set, primary, chat)
                primary.start()
            else:
                assert primary.process is not None
                with frozen(primary.process.pid):
                    gap = await_new_primary(replica_set, primary, chat)
            before = channel.row["last_segment_at"]
            until(lambda: channel.row["last_segment_at"] != before, 25, "the record goes on")
            fault.over()
        answered = len(chat.acknowledged)
        until(lambda: len(chat.acknowledged) > answered + CHATTERS, 30, "everybody talks again")
    ledger.add(Entry("  until the next message was acknowledged", None, None, gap))
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder
    everything_acknowledged_is_stored_once(channel, chat)
    nobody_shared_a_lease(channel)


def await_new_primary(replica_set: ReplicaSet, old: mongod.Mongod, chat: Chatters) -> float:
    """Seconds until a message was acknowledged that was said after the old one was lost."""
    lost, before = time.monotonic(), set(chat.acknowledged)
    until(lambda: replica_set.primary() is not old, 40, "a new primary")
    until(lambda: set(chat.acknowledged) - before, 40, "a message is acknowledged")
    return time.monotonic() - lost


def everything_acknowledged_is_stored_once(channel: Channel, chat: Chatters) -> None:
    assert isinstance(channel.record, SetRecord)
    stored = channel.record.messages()
    texts = [row["text"] for row in stored]
    assert len(texts) == len(set(texts)), "a message is stored twice"
    ids = {row["text"]: row["_id"] for row in stored}
    assert {text: ids.get(text) for text in chat.acknowledged} == chat.acknowledged


def nobody_shared_a_lease(channel: Channel) -> None:
    """Every rise of the fence is somebody who says that he took over, but for the first one."""

    def adopted() -> int:
        return sum(line.startswith("adopted:") for line in channel.record.events(NAME))

    until(lambda: channel.row["fence"] == 1 + adopted(), 15, "as many drivers as leases")
    assert channel._watch.doubles.get(NAME, set()) == set()
