"""The record while the database does not answer: the chat waits for it, but not without end."""

import asyncio
import threading
import time

import pytest
from django.conf import settings
from django.db import DatabaseError

from chat import consumers, recognition, record
from chat.models import Message
from tests import mongod
from tests.acceptance.stack import until
from tests.chat.conftest import APPLICATION, Socket
from tests.faults.workers import frozen


@pytest.fixture
def busy():
    """The one thread of the database, occupied until `.set()`."""
    over = threading.Event()
    begun = threading.Event()

    def occupy():
        begun.set()
        over.wait(20)

    async def start():
        task = asyncio.create_task(record.ask(occupy))
        await asyncio.to_thread(begun.wait, 10)
        return over, task

    yield start
    over.set()


async def test_who_waited_too_long_behind_others_is_refused_without_asking(busy, transactional_db):
    over, first = await busy()
    asked = []
    second = asyncio.create_task(record.ask(asked.append, "it", by=time.monotonic() + 0.05))
    # The clock runs while the first one is still being answered.
    await asyncio.sleep(0.1)
    over.set()
    with pytest.raises(DatabaseError):
        await second
    await first
    assert asked == []


async def test_a_ping_is_answered_while_the_database_takes_its_time(connect, busy):
    bob, _ = await connect()
    over, first = await busy()
    await bob.say("one")
    await bob.say("two")
    assert await bob.ask({"type": "ping"}, "pong")
    over.set()
    await first
    assert [(await bob.next("message"))["text"] for _ in range(2)] == ["one", "two"]


async def test_what_was_said_before_leaving_is_stored(connect, busy):
    bob, _ = await connect()
    over, first = await busy()
    await bob.say("goodbye")
    assert await bob.ask({"type": "ping"}, "pong")
    leaving = asyncio.create_task(bob.disconnect(timeout=10))
    over.set()
    await asyncio.gather(first, leaving)
    assert (await Message.objects.aget()).text == "goodbye"


@pytest.mark.skipif(not mongod.ON_MONGODB, reason="SQLite is no server; TEST_DB=mongo runs it")
async def test_a_mongodb_that_hangs_holds_nobody_up_for_long(connect, alice_session, monkeypatch):
    monkeypatch.setattr(recognition, "PATIENCE", 1.0)
    monkeypatch.setattr(consumers, "STORING", 3.0)
    monkeypatch.setattr(record, "FIRST_ATTEMPT", 1.0)
    sockets = [(await connect(address=f"192.0.2.{n}"))[0] for n in range(1, 6)]
    assert mongod.SERVER is not None
    assert mongod.SERVER.process is not None
    with frozen(mongod.SERVER.process.pid):
        began = time.monotonic()
        for socket in sockets:
            for n in range(2):
                await socket.say(f"message {n}")
        for socket in sockets:
            assert await socket.ask({"type": "ping"}, "pong")
        assert time.monotonic() - began < 2
        for socket in sockets:
            for _ in range(2):
                assert (await socket.next("refused"))["code"] == "unavailable"
        # Ten of them, and each would have waited for those before it.
        assert time.monotonic() - began < 6
        # Not as a guest: she has an account.
        alice = Socket(
            APPLICATION,
            "/ws/chat/stream/",
            [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={alice_session}".encode())],
        )
        assert not (await alice.connect(timeout=10))[0]
    until(mongod.SERVER.answers, 10, "it goes on")
    await sockets[0].say("again")
    while (await sockets[0].next("message"))["text"] != "again":
        continue
