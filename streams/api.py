"""The state of streams, as pages and programs read it: who is on air, since when, who watches."""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from streams import presence
from streams.buckets import Buckets, Rate
from streams.client_address import address_of, is_loopback
from streams.models import Broadcast, Stream, Visibility
from streams.supervisor.states import BroadcastState

OFFLINE = "offline"
# Why it is offline. Fields may be added, but states not: programs know all there are.
ENDED = "ended"
FAILED = "failed"
ON_AIR = (BroadcastState.STARTING, BroadcastState.LIVE, BroadcastState.RECONNECTING)
# Seven segments of 2 s: longer than any hiccup of an encoder that is still alive.
STALE_AFTER = timedelta(seconds=15)
# How long a stream is said to have ended; after that it is only offline.
ENDED_FOR = timedelta(hours=1)


def state_of(broadcast: Broadcast | None, now: datetime) -> str:
    """offline, starting, live or reconnecting. Live means that segments arrive, not that
    somebody once wrote so."""
    if broadcast is None or broadcast.open_key is None or broadcast.state not in ON_AIR:
        return OFFLINE
    newest = broadcast.last_segment_at
    stale = newest is not None and now - newest > STALE_AFTER
    if broadcast.state == BroadcastState.LIVE and stale:
        return BroadcastState.RECONNECTING.value
    return str(broadcast.state)


def reason_of(broadcast: Broadcast | None, now: datetime) -> str | None:
    """Why a stream is offline: "failed", its publisher is there but nothing can be made of what it
    sends; "ended", viewers saw a broadcast that was over within the last hour; None otherwise."""
    if broadcast is None or state_of(broadcast, now) != OFFLINE:
        return None
    if broadcast.open_key is not None:
        return FAILED
    ended_at, was_live = broadcast.ended_at, broadcast.last_segment_at is not None
    return ENDED if was_live and ended_at is not None and now - ended_at < ENDED_FOR else None


def stream_state(stream: Stream, viewers: int | None = None) -> dict[str, Any]:
    """The stream as JSON: {"name", "title", "description", "state": "offline", "starting", "live"
    or "reconnecting", "reason": "ended", "failed" or None, "started_at": ISO 8601 or None,
    "viewers", "hls": URL of the master playlist, "thumbnail": URL or None, "tracks": some of
    "video" and "audio"}."""
    broadcast = None
    if stream.enabled:
        broadcasts = Broadcast.objects.filter(stream=stream)
        broadcast = (
            broadcasts.filter(open_key=stream.pk).first()
            or broadcasts.filter(ended_at__isnull=False).order_by("-started_at").first()
        )
    if viewers is None:
        viewers = presence.count(stream.pk)
    return _describe(stream, broadcast, viewers, timezone.now())


def on_air() -> list[dict[str, Any]]:
    """The public streams on air, the newest first; two queries, however many are registered."""
    rows = Broadcast.objects.filter(state__in=ON_AIR, open_key__isnull=False)
    broadcasts = list(rows)
    listed = Stream.objects.filter(enabled=True, visibility=Visibility.PUBLIC).in_bulk(
        [broadcast.stream_id for broadcast in broadcasts]
    )
    viewers = presence.counts(list(listed))
    now = timezone.now()
    return [
        _describe(listed[b.stream_id], b, viewers[b.stream_id], now)
        for b in broadcasts
        if b.stream_id in listed
    ]


def tracks_of(broadcast: Broadcast) -> list[str]:
    """What the newest run carries: a player built for other tracks has to be built anew."""
    return [
        track
        for track in ("video", "audio")
        if any(rendition.get(track) for rendition in broadcast.renditions)
    ]


def _describe(
    stream: Stream, broadcast: Broadcast | None, viewers: int, now: datetime
) -> dict[str, Any]:
    state = state_of(broadcast, now)
    started_at = broadcast.started_at if broadcast and state != OFFLINE else None
    hls = f"{settings.PUBLIC_HLS_URL or '/hls'}/{stream.name}"
    watchable = state in (BroadcastState.LIVE, BroadcastState.RECONNECTING)
    tracks = tracks_of(broadcast) if broadcast is not None and state != OFFLINE else []
    return {
        "name": stream.name,
        "title": stream.title,
        "description": stream.description,
        "state": state,
        "reason": reason_of(broadcast, now),
        "started_at": started_at.isoformat() if started_at else None,
        "viewers": viewers,
        "hls": hls,
        "thumbnail": f"{hls}/thumb.jpg" if watchable and "video" in tracks else None,
        "tracks": tracks,
    }


# Asked for every few seconds by every open page, and hundreds of pages may share an address.
PER_ADDRESS = Rate(burst=300, per_second=50.0)
_asked = Buckets(PER_ADDRESS)


def _too_often(request: HttpRequest) -> HttpResponse | None:
    address, now = address_of(request), time.monotonic()
    if is_loopback(address):
        return None
    wait = _asked.admit(address, now)
    if wait == 0.0:
        return None
    detail = "Too many requests from your address; wait a moment."
    return JsonResponse(
        {"error": "too_many_requests", "detail": detail},
        status=429,
        headers={"Retry-After": str(math.ceil(wait))},
    )


def public(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Readable by any site, if not too often, never from a cache, never with anybody's cookies."""

    @wraps(view)
    def answer(request: HttpRequest, **arguments: str) -> HttpResponse:
        response = _too_often(request) or view(request, **arguments)
        response["Access-Control-Allow-Origin"] = "*"
        response["Cache-Control"] = "no-store"
        return response

    return answer


@public
@require_safe
def stream_list(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"streams": on_air()})


@public
@require_safe
def stream_detail(request: HttpRequest, name: str) -> HttpResponse:
    stream = Stream.objects.filter(name=name).first()
    if stream is None:
        detail = f"No stream is called “{name}”."
        return JsonResponse({"error": "unknown_stream", "detail": detail}, status=404)
    return JsonResponse(stream_state(stream))
