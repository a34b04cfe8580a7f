"""What the admin's lists cost: `[TEST_DB=mongo] python -m tests.benchmarks.admin_lists`.

With 100,000 chat messages, 10,000 broadcasts, 100,000 runs, 60,000 events and 500 streams. Prints
milliseconds, the median of several requests, and the ratio to the same page without what keeps it
quick: rows joined instead of prefetched, all of them counted once more, and no index but those of
keys and foreign keys. Exit code 1 when a page takes longer than 300 ms.
"""

import argparse
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, models
from django.http import HttpRequest
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from tests import mongod, redis_server

# Both set the environment, which has to be there before Django reads its settings.
__all__ = ["main", "mongod", "redis_server"]
if mongod.ON_MONGODB:  # what the baseline takes is longer than we ever wait
    os.environ["MONGODB_URI"] += "?socketTimeoutMS=120000"
django.setup()

from django.contrib import admin  # noqa: E402

from chat.models import Message  # noqa: E402
from streams.models import Broadcast, Event, LadderProfile, Run, Stream, User  # noqa: E402
from streams.supervisor.states import BroadcastState, EndReason, EventKind, RunState  # noqa: E402

LIMIT = 300.0  # milliseconds
TOO_LONG = 3000.0  # to be asked for again
ROUNDS = 5
BATCH = 1000
STREAMS, BROADCASTS, MESSAGES = 500, 10_000, 100_000
RUNS_EACH, EVENTS_EACH = 10, 6
ON_AIR = 20
VIDEO = {"codec": "h264", "width": 1920, "height": 1080, "fps": 30.0, "profile": "High"}
RENDITIONS = [
    {"name": f"{height}p", "height": height, "width": height * 16 // 9, "video": "x264",
     "video_bitrate": height * 4000, "audio": "copy", "audio_bitrate": 128_000, "fps": 30.0}
    for height in (1080, 720, 480, 360)
]  # fmt: skip
LISTED: tuple[type[models.Model], ...] = (Message, Broadcast, Run, Stream)


def store(rows: Iterator[models.Model]) -> None:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            type(row)._default_manager.bulk_create(batch)
            batch = []
    if batch:
        type(batch[0])._default_manager.bulk_create(batch)


def fill() -> None:
    now = timezone.now()
    ladder = LadderProfile.default()
    owners = [User(username=f"owner-{number:03}") for number in range(50)]
    store(iter(owners))
    streams = [
        Stream(name=f"stream-{number:03}", title=f"Stream {number}", ladder=ladder,
               owner=owners[number % len(owners)])
        for number in range(STREAMS)
    ]  # fmt: skip
    store(iter(streams))
    broadcasts = [_broadcast(number, streams, now) for number in range(BROADCASTS)]
    store(iter(broadcasts))
    store(
        Run(broadcast=broadcast, number=number + 1, fence=number + 1, host="here",
            state=RunState.ENDED, started_at=broadcast.started_at, renditions=RENDITIONS,
            end_reason=EndReason.KILLED, log_tail="frame= 100 fps= 30 " * 40)
        for broadcast in broadcasts
        for number in range(RUNS_EACH)
    )  # fmt: skip
    store(
        Event(broadcast=broadcast, at=broadcast.started_at + timedelta(seconds=number),
              kind=EventKind.LIVE, text="Viewers can watch.")
        for broadcast in broadcasts
        for number in range(EVENTS_EACH)
    )  # fmt: skip
    store(
        Message(stream=streams[number % STREAMS], name=f"guest-{number % 977}",
                text=f"message {number} {secrets.token_hex(8)}",
                created_at=now - timedelta(seconds=number))
        for number in range(MESSAGES)
    )  # fmt: skip


def _broadcast(number: int, streams: list[Stream], now: Any) -> Broadcast:
    stream = streams[number % STREAMS]
    on_air = number < ON_AIR
    return Broadcast(
        stream=stream,
        open_key=stream.pk if on_air else None,
        state=BroadcastState.LIVE if on_air else BroadcastState.ENDED,
        started_at=now - timedelta(minutes=number),
        ended_at=None if on_air else now,
        end_reason="" if on_air else EndReason.PUBLISHER_GONE,
        ingest_name=f"{stream.name}-{secrets.token_hex(8)}",
        source={"video": VIDEO, "audio": {"codec": "aac", "sample_rate": 48000}},
        renditions=RENDITIONS,
    )


def pages() -> dict[str, str]:
    broadcast = Broadcast.objects.order_by("-started_at")[100]
    return {
        "messages": "chat/message/",
        "messages, page 500": "chat/message/?p=500",
        "messages, oldest first": "chat/message/?o=1",
        "messages, search": "chat/message/?q=message+777",
        "broadcasts": "streams/broadcast/",
        "broadcasts, page 50": "streams/broadcast/?p=50",
        "broadcasts, oldest first": "streams/broadcast/?o=1",
        "broadcasts, search": "streams/broadcast/?q=stream-077",
        "broadcasts, on air": "streams/broadcast/?state__exact=live",
        "broadcasts, ended": "streams/broadcast/?state__exact=ended",
        "broadcasts, why": "streams/broadcast/?end_reason__exact=publisher_gone",
        "a broadcast, its runs and events": f"streams/broadcast/{broadcast.pk}/change/",
        "runs": "streams/run/",
        "runs, oldest first": "streams/run/?o=3",
        "runs, why": "streams/run/?end_reason__exact=killed",
        "streams": "streams/stream/",
        "streams, by owner": "streams/stream/?o=3",
        "streams, search": "streams/stream/?q=garden",
        "streams, public": "streams/stream/?visibility__exact=public",
        "users": "streams/user/",
        "what is on air": "",
    }


def measure(client: Client, page: str) -> float:
    """Milliseconds, the median of several."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = client.get(f"/admin/{page}")
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (page, answer.status_code)
        if taken[-1] > TOO_LONG:
            break
    return statistics.median(taken)


@contextmanager
def as_django_does_it() -> Iterator[None]:
    """Lists without our measures. The rows stay; the indexes are gone for good."""
    with connection.schema_editor() as editor:
        for model in (*LISTED, Event, User):
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    undo: list[Callable[[], None]] = []
    for model in LISTED:
        registered: Any = admin.site._registry[model]
        keys = [f.name for f in model._meta.fields if f.is_relation]
        joined = _joining(type(registered), keys)
        before = (registered.__class__, registered.show_full_result_count)
        registered.__class__, registered.show_full_result_count = joined, True
        undo.append(lambda r=registered, b=before: _restore(r, b))  # type: ignore[misc]
    try:
        yield
    finally:
        for step in undo:
            step()


def _joining(base: type[Any], keys: list[str]) -> type[Any]:
    def get_queryset(self: Any, request: HttpRequest) -> Any:
        rows = super(joining, self).get_queryset(request)
        lookups = rows._prefetch_related_lookups
        kept = [lookup for lookup in lookups if not isinstance(lookup, str)]
        return rows.prefetch_related(None).prefetch_related(*kept).select_related(*keys)

    joining: type[Any] = type(base.__name__, (base,), {"get_queryset": get_queryset})
    return joining


def _restore(registered: Any, before: tuple[type[Any], bool]) -> None:
    registered.__class__, registered.show_full_result_count = before


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-baseline", action="store_true", help="only what our lists take")
    compare = not parser.parse_args().no_baseline
    files = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES=files, ALLOWED_HOSTS=["testserver"]):
        call_command("migrate", verbosity=0)
        fill()
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        ours = {name: measure(client, page) for name, page in pages().items()}
        theirs: dict[str, float] = {}
        if compare:
            with as_django_does_it():
                theirs = {name: measure(client, page) for name, page in pages().items()}
    sys.stdout.write(f"{connection.vendor}: {'ours':>34} {'without':>12} {'ratio':>8}\n")
    for name, took in ours.items():
        sys.stdout.write(f"{name:34} {took:7.0f} ms")
        if compare:
            sys.stdout.write(f" {theirs[name]:9.0f} ms {theirs[name] / took:7.1f} x")
        sys.stdout.write("\n")
    return int(max(ours.values()) > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
