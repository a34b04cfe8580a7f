"""The ASGI application: the origin, static files, Django, and the sockets."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "livestream.settings")
django = get_asgi_application()

# Models can be imported only now.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

from chat.routing import websocket_urlpatterns  # noqa: E402
from streams.models import Stream  # noqa: E402
from streams.origin.app import create_app  # noqa: E402


async def stream_exists(name: str) -> bool:
    return await Stream.objects.filter(name=name).aexists()


origin = create_app(settings.HLS_ROOT, stream_exists)
# For those who open the backend without the edge in front of it.
static = StaticFiles(directory=settings.STATIC_ROOT, check_dir=False)


async def http(scope: Any, receive: Any, send: Any) -> None:
    path: str = scope["path"]
    if path.startswith("/hls/"):
        await origin(scope, receive, send)
    elif path.startswith(settings.STATIC_URL):
        inside = {**scope, "root_path": scope.get("root_path", "") + "/static"}
        await static(inside, receive, send)
    else:
        await django(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)
