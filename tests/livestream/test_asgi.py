"""The ASGI application: who answers what."""

from pathlib import Path

import pytest
from channels.security.websocket import OriginValidator
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.conf import settings

from livestream import asgi
from livestream.asgi import application
from streams.models import Stream


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/../env", "/static/..%2fenv"])
async def test_static_files_that_are_not_there_are_404(path: str) -> None:
    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    answer = await HttpCommunicator(application, "GET", path).get_response()
    assert answer["status"] == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("https://elsewhere.example", False),
        ("http://[bad", False),
        ("http://localhost:bad", False),
        ("http://localhost:65536", False),
        ("null", False),
    ],
)
async def test_sockets_of_other_sites_are_refused_and_of_programs_are_not(
    origin: str | None, welcome: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Channels looks at an origin's port only where the allowed one is a whole URL.
    allowed = OriginValidator(asgi.rooms, ["http://localhost:3000"])
    monkeypatch.setattr(asgi, "rooms_for_browsers", allowed)
    await Stream.objects.acreate(name="stream")
    headers = [(b"origin", origin.encode())] if origin else []
    socket = WebsocketCommunicator(application, "/ws/chat/stream/", headers)
    connected, _ = await socket.connect()
    assert connected is welcome
    await socket.disconnect()
