"""Chat's test fixtures: a stream, the sockets' application, and its viewers."""

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.backends.cached_db import SessionStore
from django.db import connections
from django.test import AsyncClient

from chat.hub import current_hub
from chat.routing import application as APPLICATION
from streams.models import Stream, User


class Socket(WebsocketCommunicator):
    """One viewer's browser tab."""

    async def next(self, kind):
        """The next event of this kind; the others before it are passed over."""
        while True:
            event = await self.receive_json_from(timeout=10)
            if event["type"] == kind:
                return event

    async def say(self, text):
        await self.send_json_to({"type": "message", "text": text})

    async def ask(self, command, kind):
        await self.send_json_to(command)
        return await self.next(kind)

    async def close_code(self):
        """The code the server closes with; what it sends before is passed over."""
        while True:
            event = await self.receive_output(timeout=10)
            if event["type"] == "websocket.close":
                return event["code"]


@pytest.fixture
def stream(transactional_db):
    return Stream.objects.create(name="stream", title="A stream")


@pytest.fixture
async def connect(stream):
    """`await connect(name="stream", cookie=None, address="192.0.2.1")` -> (Socket, welcome)."""
    sockets = []

    async def open_socket(name="stream", cookie=None, address="192.0.2.1"):
        headers = [(b"x-forwarded-for", address.encode())]
        if cookie:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
        socket = Socket(APPLICATION, f"/ws/chat/{name}/", headers)
        socket.scope["client"] = ("127.0.0.1", 50_000)
        sockets.append(socket)
        assert (await socket.connect(timeout=10))[0]
        return socket, await socket.next("welcome") if name == "stream" else None

    yield open_socket
    for socket in sockets:
        await socket.disconnect(timeout=10)
    await current_hub().drain()
    await get_channel_layer().flush()
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def anonymous_session(transactional_db):
    """The session cookie that the page gives to a viewer without an account."""
    session = SessionStore()
    session["viewer"] = True
    await session.asave()
    return session.session_key


@pytest.fixture
async def alice_session(transactional_db):
    """The session cookie of alice, who has an account."""
    alice = await User.objects.acreate(username="Alice")
    client = AsyncClient()
    await client.aforce_login(alice)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
