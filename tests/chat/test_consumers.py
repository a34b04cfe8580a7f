"""The chat socket from outside, with real Redis and the real database."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from chat.hub import current_hub
from chat.limits import Limits
from chat.models import HISTORY, Message
from chat.outbox import SIZE
from streams import presence
from streams.buckets import Rate
from streams.events import publish_state
from streams.models import User
from tests.chat.conftest import APPLICATION


async def test_two_viewers_chat(connect):
    bob, welcome = await connect()
    eve, _ = await connect()
    await bob.say("hello <b>everybody</b>")
    heard = await eve.next("message")
    assert heard == await bob.next("message")
    assert (heard["name"], heard["account"]) == (welcome["you"]["name"], False)
    # Plain text, as it was typed: showing it as text is the page's part.
    assert heard["text"] == "hello <b>everybody</b>"


async def test_what_was_said_is_stored_and_greets_the_next_viewer(connect):
    bob, _ = await connect()
    await bob.say("first")
    heard = await bob.next("message")
    assert (await Message.objects.aget()).text == "first"
    _, welcome = await connect()
    assert welcome["history"] == [heard]


async def test_the_history_is_the_last_50_messages_oldest_first(connect, stream):
    for n in range(HISTORY + 1):
        await Message.objects.acreate(stream=stream, name="bob", text=f"message {n}")
    _, welcome = await connect()
    texts = [message["text"] for message in welcome["history"]]
    assert texts == [f"message {n}" for n in range(1, HISTORY + 1)]


async def test_the_welcome_tells_the_streams_state_with_the_newcomer_counted(connect):
    _, welcome = await connect()
    state = welcome["state"]
    assert (state["name"], state["state"], state["viewers"]) == ("stream", "offline", 1)


async def test_an_unknown_stream_is_closed_with_4404(connect):
    socket, _ = await connect(name="nothing")
    assert await socket.close_code() == 4404


async def test_a_message_of_501_characters_is_refused_and_not_stored(connect):
    bob, _ = await connect()
    refused = await bob.ask({"type": "message", "text": "x" * 501}, "refused")
    assert refused["code"] == "too_long"
    assert not await Message.objects.aexists()


async def test_a_binary_frame_is_refused_and_the_socket_stays(connect):
    bob, _ = await connect()
    await bob.send_to(bytes_data=b'{"type":"ping"}')
    assert (await bob.next("refused"))["code"] == "binary"
    assert await bob.ask({"type": "ping"}, "pong")


async def test_a_frame_over_16_kilobytes_closes_the_socket(connect):
    bob, _ = await connect()
    await bob.say("x" * 17_000)
    assert await bob.close_code() == 1009


async def test_a_flood_of_frames_closes_the_socket(connect):
    bob, _ = await connect()
    for _ in range(100):
        await bob.send_json_to({"type": "ping"})
    assert await bob.close_code() == 1008


async def test_the_sixth_message_at_once_is_refused_with_the_time_to_wait(connect):
    bob, _ = await connect()
    for n in range(6):
        await bob.say(f"message {n}")
    answers = {"message": [], "refused": []}
    while len(answers["message"]) < 5 or not answers["refused"]:
        event = await bob.receive_json_from(timeout=10)
        answers.setdefault(event["type"], []).append(event)
    (refused,) = answers["refused"]
    assert refused["code"] == "too_fast"
    assert 0 < refused["retry_after"] <= 2
    assert await Message.objects.acount() == 5


async def test_reconnecting_does_not_evade_the_viewers_limit(connect, anonymous_session):
    for _ in range(5):
        bob, _ = await connect(cookie=anonymous_session)
        await bob.say("again")
        await bob.next("message")
        await bob.disconnect()
    bob, _ = await connect(cookie=anonymous_session, address="192.0.2.2")
    refused = await bob.ask({"type": "message", "text": "again"}, "refused")
    assert refused["code"] == "too_fast"


async def test_clearing_cookies_does_not_evade_the_addresss_limit(connect):
    current_hub().limits = Limits(address=Rate(burst=3, per_second=0.01))
    for _ in range(3):
        bob, _ = await connect()
        await bob.say("again")
        await bob.next("message")
    bob, _ = await connect()
    refused = await bob.ask({"type": "message", "text": "again"}, "refused")
    assert refused["code"] == "too_fast"
    eve, _ = await connect(address="192.0.2.2")
    await eve.say("hello")
    assert await eve.next("message")


async def test_an_address_that_opens_sockets_without_end_is_sent_away_for_a_while(connect):
    current_hub().limits = Limits(connects=Rate(burst=1, per_second=0.01))
    await connect()
    again, _ = await connect(name="unknown")
    assert await again.close_code() == 1013
    await connect(address="192.0.2.2")


async def test_programs_of_this_machine_may_open_as_many_as_they_like(connect):
    current_hub().limits = Limits(connects=Rate(burst=1, per_second=0.01))
    for _ in range(3):
        await connect(address="127.0.0.1")


async def test_the_forwarded_address_is_the_one_nginx_appended(connect):
    current_hub().limits = Limits(address=Rate(burst=1, per_second=0.01))
    bob, _ = await connect(address="203.0.113.5, 192.0.2.1")
    await bob.say("hello")
    bob, _ = await connect(address="203.0.113.6, 192.0.2.1")
    assert await bob.ask({"type": "message", "text": "again"}, "refused")


async def test_a_viewer_keeps_the_chosen_name_after_reconnecting(connect, anonymous_session):
    bob, _ = await connect(cookie=anonymous_session)
    renamed = await bob.ask({"type": "rename", "name": " Bob "}, "renamed")
    assert renamed["you"] == {"name": "Bob", "account": False}
    await bob.say("hello")
    assert (await bob.next("message"))["name"] == "Bob"
    _, welcome = await connect(cookie=anonymous_session)
    assert welcome["you"]["name"] == "Bob"


async def test_a_guest_without_a_chosen_name_keeps_the_given_one(connect, anonymous_session):
    _, first = await connect(cookie=anonymous_session)
    _, second = await connect(cookie=anonymous_session)
    assert first["you"] == second["you"]


@pytest.mark.parametrize("name", ["Alice", "aLICE", "\uff41lice", "A\u200blice", "ÄRGER", "ärger"])
async def test_a_name_of_an_account_is_refused_in_any_disguise(connect, name):
    await User.objects.acreate(username="alice")
    await User.objects.acreate(username="Ärger")
    eve, _ = await connect()
    refused = await eve.ask({"type": "rename", "name": name}, "refused")
    assert refused["code"] == "name_taken"


async def test_a_name_somebody_registered_since_is_not_given_back(connect, anonymous_session):
    bob, _ = await connect(cookie=anonymous_session)
    await bob.ask({"type": "rename", "name": "Bob"}, "renamed")
    await User.objects.acreate(username="bob")
    _, welcome = await connect(cookie=anonymous_session)
    assert welcome["you"]["name"].startswith("guest-")


async def test_an_account_chats_under_its_name_and_no_other(connect, alice_session):
    alice, welcome = await connect(cookie=alice_session)
    assert welcome["you"] == {"name": "Alice", "account": True}
    assert (await alice.ask({"type": "rename", "name": "Bob"}, "refused"))["code"] == "name_fixed"
    assert await alice.ask({"type": "rename", "name": "alice"}, "renamed")
    await alice.say("hello")
    heard = await alice.next("message")
    assert (heard["name"], heard["account"]) == ("Alice", True)


async def test_a_new_state_of_the_stream_reaches_the_sockets(connect, stream):
    bob, _ = await connect()
    stream.title = "Another title"
    await sync_to_async(publish_state)(stream)
    event = await bob.next("state")
    assert (event["v"], event["title"]) == (1, "Another title")


async def test_the_viewers_are_told_when_their_number_changed(connect, stream):
    bob, _ = await connect()
    assert (await bob.next("viewers"))["count"] == 1
    eve, _ = await connect()
    assert (await bob.next("viewers"))["count"] == 2
    await eve.disconnect()
    assert (await bob.next("viewers"))["count"] == 1
    await bob.disconnect()
    await current_hub().drain()
    assert presence.count(stream.pk) == 0


async def test_many_sockets_cost_one_subscription(connect, stream):
    for _ in range(10):
        await connect()
    group = f"livestream__group__chat.{stream.pk.hex}"
    redis = presence._redis()
    assert redis.pubsub_numsub(group) == [(group.encode(), 1)]
    # The room's channel and its two groups, the process's pulse, and nothing per socket.
    assert len(redis.pubsub_channels("livestream*")) == 4


async def test_a_slow_reader_is_dropped_while_the_others_read_on(connect, stream):
    bob, _ = await connect()
    slow = Stalled()
    task = asyncio.create_task(APPLICATION(slow.scope, slow.receive, slow.send))
    await asyncio.wait_for(slow.welcomed.wait(), 10)
    layer = get_channel_layer()
    for n in range(SIZE + 20):
        frame = {"type": "chat.frame", "text": f'{{"type":"message","n":{n}}}', "id": f"{n}"}
        await layer.group_send(f"chat.{stream.pk.hex}", frame)
        assert (await bob.next("message"))["n"] == n
    assert await asyncio.wait_for(slow.closed, 10) == 4408
    await asyncio.wait_for(task, 10)


class Stalled:
    """A reader that takes its welcome and then not one frame more."""

    def __init__(self):
        self.scope = {"type": "websocket", "path": "/ws/chat/stream/", "headers": []}
        self.welcomed = asyncio.Event()
        self.closed = asyncio.get_running_loop().create_future()
        self.incoming = [{"type": "websocket.connect"}]

    async def receive(self):
        if self.incoming:
            return self.incoming.pop()
        return {"type": "websocket.disconnect", "code": await asyncio.shield(self.closed)}

    async def send(self, event):
        if event["type"] == "websocket.close":
            self.closed.set_result(event["code"])
        elif event["type"] == "websocket.send":
            if self.welcomed.is_set():
                await asyncio.Event().wait()
            self.welcomed.set()
