"""The ASGI application: the origin, static files, Django, and the sockets."""

import os
from typing import Any
from urllib.parse import urlsplit

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "livestream.settings")
django = get_asgi_application()

# Models can be imported only now.
from channels.routing import ProtocolTypeRouter  # noqa: E402
from channels.security.websocket import (  # noqa: E402
    AllowedHostsOriginValidator,
    WebsocketDenier,
)
from django.conf import settings  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.routing import Mount  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

from chat.routing import application as rooms  # noqa: E402
from streams.models import Stream  # noqa: E402
from streams.origin.app import create_app  # noqa: E402


async def stream_exists(name: str) -> bool:
    return await Stream.objects.filter(name=name).aexists()


origin = create_app(settings.HLS_ROOT, stream_exists)
# For those who open the backend without the edge in front of it.
static = Starlette(
    routes=[Mount("/static", StaticFiles(directory=settings.STATIC_ROOT, check_dir=False))]
)
rooms_for_browsers = AllowedHostsOriginValidator(rooms)
nobody = WebsocketDenier()


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Browsers always send an Origin, and only of our own pages; other programs send none."""
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    if not all(map(_is_url, origins)):
        await nobody(scope, receive, send)
        return
    await (rooms_for_browsers if origins else rooms)(scope, receive, send)


def _is_url(origin: bytes) -> bool:
    """The validator raises what parsing raises, and what reading the port does."""
    try:
        return urlsplit(origin.decode("latin1")).port != 0
    except ValueError:
        return False


async def http(scope: Any, receive: Any, send: Any) -> None:
    path: str = scope["path"]
    if path.startswith("/hls/"):
        await origin(scope, receive, send)
    elif path.startswith(settings.STATIC_URL):
        await static(scope, receive, send)
    else:
        await django(scope, receive, send)


application = ProtocolTypeRouter({"http": http, "websocket": websocket})
