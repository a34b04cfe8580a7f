"""The pages for viewers: what is on air, and one stream with its chat."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from streams.api import on_air, stream_state
from streams.models import Stream, Visibility


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    page = {"api": settings.PUBLIC_API_URL or "/api"}
    response = render(request, "streams/home.html", {"streams": on_air(), "page": page})
    patch_cache_control(response, no_cache=True)
    return response


@require_safe
def watch(request: HttpRequest, name: str) -> HttpResponse:
    stream = Stream.objects.filter(name=name).prefetch_related("owner").first()
    if stream is None:
        return render(request, "404.html", {"unknown_stream": name}, status=404)
    state = stream_state(stream)
    if request.method == "GET":
        _recognise(request)
    context = {
        "stream": stream,
        "state": state,
        "shown": state["reason"] or state["state"],
        "unlisted": stream.visibility != Visibility.PUBLIC,
        "canonical": request.build_absolute_uri(f"/{stream.name}"),
        "page": _wiring(state),
    }
    response = render(request, "streams/watch.html", context)
    patch_cache_control(response, no_cache=True, private=True)
    return response


# Seconds: most guests come once, and each of their sessions is kept for so long. Who takes a name
# keeps it as long as any session.
GUEST_SESSION = 86_400


def _recognise(request: HttpRequest) -> None:
    """Give the viewer a session: chat knows a guest by it, and a WebSocket cannot set cookies."""
    if not request.session.keys():
        request.session["viewer"] = True
        request.session.set_expiry(GUEST_SESSION)


def _wiring(state: dict[str, Any]) -> dict[str, Any]:
    """What the page's script needs to know."""
    return {
        "api": settings.PUBLIC_API_URL or "/api",
        "ws": settings.PUBLIC_WS_URL or "/ws",
        "state": state,
    }
