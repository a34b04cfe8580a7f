"""The hub with a real channel layer: rooms, slow readers, and a Redis that goes away."""

import asyncio
import json
import socket
import subprocess
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import DatabaseError, connections
from redis.asyncio import Redis

from chat import events, subscription
from chat import room as room_module
from chat.hub import Hub, current_hub
from chat.layer import Layer
from chat.models import Message
from chat.outbox import Frame, Outbox

HELLO = Frame('{"type":"message"}', "1")


class Reader:
    """A socket that keeps what it read."""

    def __init__(self):
        self.read, self._texts = asyncio.Queue(), []
        self.dropped = asyncio.Event()
        self.outbox = Outbox(self.read.put, self.dropped.set)
        self.outbox.start()

    async def text(self):
        """The next message, whatever it is."""
        while '"viewers"' in (text := await asyncio.wait_for(self.read.get(), 20)):
            continue
        return text

    @property
    def texts(self):
        """All messages so far."""
        while not self.read.empty():
            self._texts += [text] if '"viewers"' not in (text := self.read.get_nowait()) else []
        return self._texts

    async def message(self):
        while (text := await asyncio.wait_for(self.read.get(), 10)) != HELLO.text:
            assert json.loads(text)["type"] == "viewers"
        return text


@asynccontextmanager
async def opened(layer):
    """A hub on the layer, with one reader in one room."""
    hub, reader, stream_id = Hub(layer, look_every=0.05), Reader(), uuid4()
    room = hub.join(stream_id, reader.outbox, "alice")
    await room.ready()
    yield hub, room, reader
    hub.leave(stream_id, reader.outbox)
    await hub.drain()
    await layer.flush()
    await sync_to_async(connections.close_all)()


async def heard_again(room, reader):
    """Publish until a message comes through; how long Redis needs is not ours to know."""
    while True:
        await room.publish(Frame(HELLO.text, uuid4().hex))
        try:
            return await asyncio.wait_for(reader.message(), 0.2)
        except TimeoutError:
            continue


@pytest.fixture
async def redis(tmp_path):
    """A Redis of the test's own: `.url`, `.start()`, `.stop()`."""
    server = Server(tmp_path)
    await server.start()
    yield server
    await server.stop()


class Server:
    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    async def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return await writer.wait_closed()

    async def stop(self):
        self.process.terminate()
        await asyncio.to_thread(self.process.wait)


async def test_a_room_closes_with_its_last_socket_and_opens_again():
    layer = get_channel_layer()
    async with opened(layer) as (hub, room, reader):
        other = Reader()
        assert hub.join(room.stream_id, other.outbox, "bob") is room
        hub.leave(room.stream_id, reader.outbox)
        hub.leave(room.stream_id, other.outbox)
        await hub.drain()
        assert await subscriptions(layer) == 0
        again = Reader()
        reopened = hub.join(room.stream_id, again.outbox, "alice")
        await reopened.ready()
        await reopened.publish(HELLO)
        assert await again.message()
        hub.leave(room.stream_id, again.outbox)


async def test_a_room_left_and_joined_at_once_keeps_its_subscription():
    async with opened(get_channel_layer()) as (hub, room, reader):
        for _ in range(20):
            hub.leave(room.stream_id, reader.outbox)
            reader = Reader()
            room = hub.join(room.stream_id, reader.outbox, "alice")
        await room.ready()
        await hub.drain()
        await room.publish(HELLO)
        assert await reader.message()
        hub.leave(room.stream_id, reader.outbox)


async def test_messages_skipped_at_the_start_are_those_of_the_history():
    read = asyncio.Queue()
    outbox = Outbox(read.put, overflow=lambda: None)
    for frame in (Frame("old", "1"), Frame("new", "2"), Frame("state")):
        outbox.put(frame)
    outbox.start(skip=["1"])
    assert [await read.get(), await read.get()] == ["new", "state"]
    outbox.close()


async def test_a_full_outbox_overflows_once_and_takes_nothing_more():
    overflows = []
    outbox = Outbox(asyncio.Queue().put, lambda: overflows.append(1), size=2)
    for _ in range(5):
        outbox.put(HELLO)
    assert overflows == [1]


async def test_a_room_delivers_again_after_its_connection_was_killed(redis, transactional_db):
    async with opened(Layer(hosts=[redis.url])) as (_, room, reader):
        async with Redis.from_url(redis.url) as client:
            assert await client.client_kill_filter(_type="pubsub") == 1
        assert await asyncio.wait_for(heard_again(room, reader), 20)


async def test_a_room_delivers_again_after_redis_was_restarted(redis, transactional_db):
    async with opened(Layer(hosts=[redis.url])) as (_, room, reader):
        await redis.stop()
        # With Redis away the sockets of this process still hear each other.
        await room.publish(HELLO)
        assert await reader.message()
        await redis.start()
        distant = Hub(Layer(hosts=[redis.url]), look_every=60)
        far = distant.join(room.stream_id, Reader().outbox, "bob")
        await far.ready()
        assert await asyncio.wait_for(heard_again(far, reader), 20)
        distant.leave(room.stream_id, next(iter(far.members)))
        await distant.drain()


async def test_a_room_opened_while_redis_is_away_subscribes_when_it_is_back(
    redis, monkeypatch, transactional_db
):
    monkeypatch.setattr(subscription, "LAST_RETRY", 0.5)
    await redis.stop()
    async with opened(Layer(hosts=[redis.url])) as (_, room, reader):
        await room.publish(HELLO)
        assert await reader.message()
        await redis.start()
        async with Redis.from_url(redis.url) as client:
            while not await client.pubsub_channels(f"*{room.stream_id.hex}"):
                await asyncio.sleep(0.05)
            message = {"type": "stream.event", "event": {"type": "message"}}
            await room._layer.group_send(f"stream.{room.stream_id.hex}", message)
        assert await reader.message()


async def test_what_was_said_elsewhere_while_redis_was_away_is_read_from_the_record(redis, stream):
    layers = [Layer(hosts=[redis.url]) for _ in range(2)]
    here, there = (Hub(layer, look_every=60, beat_every=0.1) for layer in layers)
    reader, speaker = Reader(), Reader()
    room = here.join(stream.pk, reader.outbox, "alice")
    far = there.join(stream.pk, speaker.outbox, "bob")
    await room.ready()
    await far.ready()
    heard = await said(far, stream, "before")
    assert await reader.text() == heard
    await redis.stop()
    missed = await said(far, stream, "meanwhile")
    assert await speaker.text() == heard
    assert await speaker.text() == missed
    await redis.start()
    # Once, and nothing that was heard before.
    assert await reader.text() == missed
    assert reader.read.empty()
    for hub, outbox in ((here, reader.outbox), (there, speaker.outbox)):
        hub.leave(stream.pk, outbox)
        await hub.drain()
    for layer in layers:
        await layer.flush()
    await sync_to_async(connections.close_all)()


@asynccontextmanager
async def two_processes(redis, stream):
    """Two hubs, each with a layer and a viewer of its own, at the pace of the product."""
    layers = [Layer(hosts=[redis.url]) for _ in range(2)]
    hubs, readers = [Hub(layer, look_every=60) for layer in layers], [Reader(), Reader()]
    rooms = [
        hub.join(stream.pk, reader.outbox, "viewer")
        for hub, reader in zip(hubs, readers, strict=True)
    ]
    for room in rooms:
        await room.ready()
    yield rooms, readers
    for hub, reader in zip(hubs, readers, strict=True):
        hub.leave(stream.pk, reader.outbox)
        await hub.drain()
    for layer in layers:
        await layer.flush()
    await sync_to_async(connections.close_all)()


@pytest.mark.parametrize("away", [0.0, 0.5, 1.0, 1.9])
async def test_a_moment_without_redis_costs_no_viewer_a_message(redis, stream, away):
    async with two_processes(redis, stream) as (rooms, readers):
        over, heard = asyncio.Event(), []

        async def talk():
            while not over.is_set():
                heard.append(await said(rooms[0], stream, f"message {len(heard)}"))
                await asyncio.sleep(0.1)  # a lively chat

        talking = asyncio.create_task(talk())
        await reads(readers, heard, 5)
        await redis.stop()
        if away:
            await asyncio.sleep(away)  # what is tried
        await redis.start()
        # Longer than the layer waits until it looks for Redis again.
        await reads(readers, heard, len(heard) + 20)
        over.set()
        await talking
        await reads(readers, heard, len(heard))
        for reader in readers:
            assert [json.loads(text)["text"] for text in reader.texts] == [
                f"message {n}" for n in range(len(heard))
            ]


async def reads(readers, heard, count):
    """Return when every reader has read so many, and the last one said by then."""
    async with asyncio.timeout(20):
        # Readers may have it before the one who said it has noted that.
        while len(heard) < count or not all(
            len(r.texts) >= count and heard[count - 1] in r.texts for r in readers
        ):
            await asyncio.sleep(0.02)


async def test_what_one_process_could_not_send_the_other_reads_before_what_comes_next(
    redis, stream, monkeypatch
):
    async with two_processes(redis, stream) as (rooms, readers):
        layer = rooms[0]._layer
        with monkeypatch.context() as broken:
            # Its own way to Redis; the other one hears no trouble.
            broken.setattr(layer, "group_send", refuse, raising=False)
            first = await said(rooms[0], stream, "one")
        second = await said(rooms[0], stream, "two")
        assert [await reader.text() for reader in readers] == [first, first]
        assert [await reader.text() for reader in readers] == [second, second]


async def test_what_was_not_sent_is_read_elsewhere_even_if_nothing_comes_next(
    redis, stream, monkeypatch
):
    async with two_processes(redis, stream) as (rooms, readers):
        with monkeypatch.context() as broken:
            broken.setattr(rooms[0]._layer, "group_send", refuse, raising=False)
            last = await said(rooms[0], stream, "the last one")
        assert await readers[1].text() == last


async def refuse(group, message):
    raise ConnectionError("no way to Redis")


async def test_what_cannot_be_read_now_is_read_later(stream, monkeypatch):
    async with opened(get_channel_layer()) as (hub, _, reader):
        room = hub.join(stream.pk, reader.outbox, "alice")
        message = await Message.objects.acreate(stream=stream, name="bob", text="missed")
        with monkeypatch.context() as away:
            read = asyncio.Event()

            async def fails(*_):
                read.set()
                raise DatabaseError("away")

            away.setattr(room_module, "ask", fails)
            room.catch_up(subscribe=False)
            await read.wait()
        assert json.loads(await reader.text())["id"] == message.pk.hex
        hub.leave(stream.pk, reader.outbox)
        await hub.drain()
        await sync_to_async(connections.close_all)()


async def said(room, stream, text):
    """Store and publish it, as the consumer does; the frame's text."""
    message = await Message.objects.acreate(stream=stream, name="bob", text=text)
    frame = Frame(events.encode(message.as_event()), message.pk.hex)
    await room.publish(frame)
    return frame.text


async def test_a_message_is_delivered_once_however_often_it_comes():
    async with opened(get_channel_layer()) as (_, room, reader):
        for frame in (Frame("same", "a"), Frame("same", "a"), Frame("other", "b")):
            room.deliver(frame)
        assert [await reader.text(), await reader.text()] == ["same", "other"]


async def test_a_message_nobody_understands_does_not_end_the_subscription():
    layer = get_channel_layer()
    async with opened(layer) as (_, room, reader):
        for nonsense in ({"type": "chat.frame"}, {"no": "type"}):
            await layer.group_send(f"chat.{room.stream_id.hex}", nonsense)
        await room.publish(HELLO)
        assert await reader.message()


def test_every_event_loop_has_its_own_hub():
    async def hub():
        return current_hub(), current_hub()

    (one, same), (other, _) = asyncio.run(hub()), asyncio.run(hub())
    assert one is same is not other


async def subscriptions(layer):
    """How many channels Redis knows of this process's rooms."""
    return len(layer._get_layer()._shards[0]._subscribed_to)
