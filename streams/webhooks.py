"""Webhooks: what nginx-rtmp asks and tells (on_publish, on_publish_done, on_play).

nginx-rtmp appends the arguments of the stream key, which the publisher chooses, unescaped behind
its own fields. So the first value is the true one, and a request with a field twice is refused.
"""

import ipaddress
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import wraps
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from streams.client_address import client_network
from streams.deadline import within
from streams.ingest import Ingest, admit, internal_name, left, mark_gone
from streams.ingest_node import APPLICATION, IngestUnreachable
from streams.ingest_nodes import nodes
from streams.models import Broadcast, Stream, StreamKey
from streams.tasks import ask_for_driver

logger = logging.getLogger(__name__)

Fields = Mapping[str, str]
# Seconds for all that is asked of a MongoDB; below the ingest's patience with a hook.
PATIENCE = 3.5
# At 4 s the ingest gives up on a publisher, whatever the hook answers; what was written for it has
# to be taken back within the database's own time.
TOO_LATE = 3.2
REFUSALS_PER_MINUTE = 20
REFUSED = "refused_publishers"
# Seconds a publisher is held back for its FFmpeg: one that comes later has missed the first key
# frame. Below the ingest's patience with this hook.
HELD = 1.0


class BadForm(ValueError):
    """The form is none that nginx-rtmp sends for an honest publisher."""


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a hook request. Raises BadForm for a field given twice."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64)
    except ValueError as error:
        raise BadForm(str(error)) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadForm("a field is given twice")
    return fields


def from_ingest(
    view: Callable[[HttpRequest, Fields], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let only the ingest in: it knows the secret. Everybody else sees a page that is not there."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        secret = request.headers.get("X-Ingest-Secret", "").encode()
        known = settings.INGEST_SECRET.encode()
        if not known or request.method != "POST" or not secrets.compare_digest(secret, known):
            return HttpResponse(status=404)
        try:
            fields = read_form(request.body)
        except BadForm as error:
            logger.warning("hook refused: %s", error)
            return HttpResponse(status=403)
        # An answer that comes later reaches nobody, and would let in who has gone.
        with within(PATIENCE):
            return view(request, fields)

    return guarded


@from_ingest
def publish(request: HttpRequest, fields: Fields) -> HttpResponse:
    """302 with the internal name, or 403. The body is empty: the publisher learns nothing."""
    address = fields.get("addr", "")
    if fields.get("call") != "publish" or fields.get("app") != APPLICATION:
        return _refuse(address, "not_a_publish")
    now, began = timezone.now(), time.monotonic()
    # A right key gets in whatever others at its address tried: they may be behind one router.
    stream = _stream_for(fields)
    if stream is None:
        if _refused_too_often(address):  # neither the disk nor the log is for whoever guesses
            return HttpResponse(status=403)
        return _refuse(address, "wrong_key")
    if not stream.enabled or (stream.refused_until is not None and stream.refused_until > now):
        return _refuse(address, "stream_closed")
    ingest = Ingest(
        node=_told_of_itself(request),
        name=internal_name(stream),
        client=fields.get("clientid", ""),
        address=address,
    )
    broadcast = admit(stream, ingest, nodes, now)
    if broadcast is None:
        return _refuse(address, "busy", counts=False)
    left_to_wait = TOO_LATE - (time.monotonic() - began)
    if left_to_wait < 0:  # its publisher is about to come back
        mark_gone(broadcast, timezone.now())
        return _refuse(address, "too_late", counts=False)
    logger.info("%s publishes %s as %s", address, stream.name, ingest.name)
    node, held = nodes.named(ingest.node), min(HELD, left_to_wait / 2)
    if ask_for_driver(broadcast.pk) and not node.await_player(ingest.name, held):
        logger.info("no FFmpeg was there for the first picture of %s", ingest.name)
    return HttpResponse(status=302, headers={"Location": ingest.name})


def _told_of_itself(request: HttpRequest) -> str:
    """The name of the node that asks; where else it is reached is remembered."""
    name, control_url, pull_url = (
        request.headers.get(f"X-Ingest-{what}", "") for what in ("Node", "Control", "Pull")
    )
    nodes.learn(name, control_url, pull_url, timezone.now())
    return name


@from_ingest
def publish_done(request: HttpRequest, fields: Fields) -> HttpResponse:
    """A hint: late, lost and wrong ones are harmless, as the reconciler reads /stat."""
    known = left(
        request.headers.get("X-Ingest-Node", ""),
        fields.get("clientid", ""),
        fields.get("addr", ""),
    )
    stream = _stream_for(fields)
    broadcast = (known.filter(stream=stream) if stream is not None else known).first()
    if broadcast is not None and _still_publishes(broadcast):
        logger.info("%s is said to have left, and is still there", broadcast.ingest_name)
    elif broadcast is not None and mark_gone(broadcast, timezone.now()):
        logger.info("the publisher of %s left", broadcast.ingest_name)
    return HttpResponse(status=204)


def _still_publishes(broadcast: Broadcast) -> bool:
    """Connections are numbered anew by every nginx, so a late word may mean another one."""
    try:
        node = nodes.named(broadcast.ingest_node)
        return broadcast.ingest_name in node.publishers(fresh=True)
    except IngestUnreachable:
        return False


@from_ingest
def play(request: HttpRequest, fields: Fields) -> HttpResponse:
    """RTMP is for our own FFmpegs: internal names only, from the hosts of workers only."""
    name = fields.get("name", "")
    playable = Broadcast.objects.filter(open_key__isnull=False, ingest_name=name)
    if name and _is_worker(fields.get("addr", "")) and playable.exists():
        return HttpResponse(status=204)
    return HttpResponse(status=403)


def _stream_for(fields: Fields) -> Stream | None:
    """The stream this publisher may use: by `KEY`, `name?key=KEY`, or on loopback by its name."""
    name, key = fields.get("name", ""), fields.get("key")
    now = timezone.now()
    found = StreamKey.find(name if key is None else key, now)
    if found is not None and (key is None or found.stream.name == name):
        StreamKey.objects.filter(pk=found.pk).update(last_used_at=now)
        return found.stream
    if key is None and settings.OPEN_INGEST and _is_loopback(fields.get("addr", "")):
        return Stream.objects.filter(name=name).first()
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_worker(address: str) -> bool:
    """The ingest itself refuses everybody else as well."""
    if _is_loopback(address):
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in settings.WORKERS)


def _refuse(address: str, reason: str, *, counts: bool = True) -> HttpResponse:
    logger.warning("publisher at %s refused: %s", address, reason)
    try:
        _count(REFUSED, timeout=None)
        if counts:
            _count(_refused_from(address), timeout=60)
    except (RedisError, ValueError) as error:
        logger.warning("the refusal could not be counted: %.200s", error)
    return HttpResponse(status=403)


def _refused_from(address: str) -> str:
    return f"{REFUSED}:{client_network(address, [], [])}"


def _count(key: str, timeout: int | None) -> None:
    cache.get_or_set(key, 0, timeout=timeout)
    cache.incr(key)


def refusals() -> int:
    """How many publishers were refused since Redis was last emptied."""
    return int(cache.get(REFUSED, 0))


def _refused_too_often(address: str) -> bool:
    """Without Redis nobody is limited: keys of 192 bits do not need it, disks and logs do."""
    try:
        return int(cache.get(_refused_from(address), 0)) >= REFUSALS_PER_MINUTE
    except RedisError:
        return False
