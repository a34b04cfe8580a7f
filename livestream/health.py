"""Health: the state of each part, for people and load balancers."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Lock

from asgiref.sync import async_to_sync
from celery import current_app
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from redis.exceptions import RedisError

from streams import deliveries
from streams.deadline import within
from streams.disk import state
from streams.foreman import RECONCILED_AT
from streams.ingest_nodes import nodes
from streams.models import Broadcast, Origin, Stream
from streams.webhooks import refusals

# The checks cost broker round trips; anybody may ask.
FRESH = 2.0
RECONCILER_LATE = 30.0
# Seconds since a lease ran out: another worker takes it within a few.
UNDRIVEN_FOR = 30.0
LONGEST_LOOK = 2.0
CHANNELS_PATIENCE = 3.0


class Unwell(Exception):
    """A part does not do its work; the message says what is wrong."""


def database() -> str:
    # A load balancer does not wait through an election.
    with within(LONGEST_LOOK):
        Stream.objects.exists()
    return f"{connection.vendor} answers"


def redis() -> str:
    cache.set("health", "1", timeout=10)
    return "answers"


def channels() -> str:
    # To nobody: that Redis takes it is what counts.
    async_to_sync(_say_nothing)()
    return "answers"


async def _say_nothing() -> None:
    async with asyncio.timeout(CHANNELS_PATIENCE):
        await get_channel_layer().send("health", {"type": "health"})


def broker() -> str:
    with current_app.connection_for_write(connect_timeout=1) as link:
        link.ensure_connection(max_retries=1, timeout=1)
    return "takes connections"


def worker() -> str:
    if not current_app.control.ping(timeout=1.0, limit=1):
        raise Unwell("no worker answers; see its log")
    age = time.time() - float(cache.get(RECONCILED_AT) or 0)
    if age > RECONCILER_LATE:
        raise Unwell("the foreman of no worker makes his rounds; see its log")
    if undriven := _undriven():
        raise Unwell(f"nobody drives {undriven} of the broadcasts; see the worker's log")
    return "answers"


def _undriven() -> int:
    """Broadcasts that nobody drives; none that are known while the database, a part of its own, is
    away."""
    late = timezone.now() - timedelta(seconds=UNDRIVEN_FOR)
    with suppress(DatabaseError), within(LONGEST_LOOK):
        return Broadcast.objects.filter(open_key__isnull=False, lease_until__lt=late).count()
    return 0


def ingest() -> str:
    """One that is lost does not make this host unwell while another takes streams."""
    with within(LONGEST_LOOK):  # the nodes are in the registry
        found = nodes.publishers()
    lost = [name for name, publishers in found.items() if publishers is None]
    if not found:
        return "none has come yet"
    if len(lost) == len(found):
        raise Unwell(f"no ingest answers ({', '.join(lost)}); see its log")
    detail = f"{sum(len(publishers or ()) for publishers in found.values())} publishing"
    if lost:
        detail += f", {', '.join(lost)} does not answer"
    try:
        return f"{detail}, {refusals()} refused so far"
    except RedisError:  # a part of its own
        return detail


def disk() -> str:
    short, text = state(settings.HLS_ROOT)
    if short:
        raise Unwell(text)
    return text


def delivery() -> str:
    """From hosts of workers to hosts of origins, where they are not the same ones."""
    with within(LONGEST_LOOK):
        undelivered = deliveries.undelivered(timezone.now())
    if undelivered:
        raise Unwell("; ".join(undelivered))
    return "nobody complains"


def origins() -> str:
    """One that is lost does not make this host unwell while another takes segments."""
    with within(LONGEST_LOOK):
        found = list(Origin.objects.all())
    silent, short = deliveries.silent_and_short(found, timezone.now())
    if short:
        raise Unwell("; ".join(short))
    if silent and len(silent) == len(found):
        raise Unwell(
            f"no keeper clears the disk of {', '.join(silent)}; see its log, and whether that host "
            "reaches the database"
        )
    if not found:
        return "segments are delivered nowhere"
    told = [f"{one.name}: {one.disk}" for one in found if one.name not in silent]
    return "; ".join(told + [f"{name}'s keeper says nothing" for name in silent])


PARTS: dict[str, Callable[[], str]] = {
    "database": database,
    "redis": redis,
    "channels": channels,
    "broker": broker,
    "worker": worker,
    "ingest": ingest,
    "disk": disk,
    "delivery": delivery,
    "origins": origins,
}

# All that they know is in the database, which is a part of its own: while it is away, asking it for
# each of them would take longer than a load balancer waits.
OF_THE_RECORD = ("delivery", "origins")


def look() -> dict[str, dict[str, object]]:
    """Each part's name -> {"ok": bool, "detail": sentence}."""
    parts: dict[str, dict[str, object]] = {}
    for name, check in PARTS.items():
        if name in OF_THE_RECORD and not parts["database"]["ok"]:
            parts[name] = {"ok": True, "detail": "not known while the database is away"}
            continue
        try:
            parts[name] = {"ok": True, "detail": check()}
        except Exception as error:  # any failure of a part is the answer, never a 500
            parts[name] = {"ok": False, "detail": f"{type(error).__name__}: {error}"[:300]}
    return parts


class _Report:
    def __init__(self) -> None:
        self._lock = Lock()
        self._at = 0.0
        self._parts: dict[str, dict[str, object]] = {}

    def parts(self) -> dict[str, dict[str, object]]:
        with self._lock:
            if time.monotonic() - self._at > FRESH:
                self._parts, self._at = look(), time.monotonic()
            return self._parts


_report = _Report()


def _is_local(request: HttpRequest) -> bool:
    """Details are for this machine: they hold addresses and error texts. The edge names callers."""
    callers = [request.META.get("REMOTE_ADDR", "")]
    callers += request.headers.get("X-Forwarded-For", "").replace(",", " ").split()
    # Where the backend listens on an internal address alone, this machine comes from that one.
    own = ("127.0.0.1", "::1", request.META.get("SERVER_NAME", ""))
    return all(caller in own for caller in callers)


def health(request: HttpRequest) -> JsonResponse:
    """200 when all parts are well, 503 naming those that are not."""
    parts = _report.parts()
    failing = [name for name, part in parts.items() if not part["ok"]]
    if not _is_local(request):
        parts = {name: {"ok": part["ok"]} for name, part in parts.items()}
    return JsonResponse(
        {"status": "failing" if failing else "ok", "failing": failing, "parts": parts},
        status=503 if failing else 200,
        headers={"Cache-Control": "no-store"},
    )
