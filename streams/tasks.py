"""Celery tasks: drive a broadcast; find those that nobody drives; clear away what is over."""

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from streams import disk, lease
from streams.desk import BroadcastDesk
from streams.ingest import drop_quietly, gone_since, is_missing, mark_gone
from streams.ingest_node import IngestUnreachable, node
from streams.ladder.stat import Publisher
from streams.models import Broadcast, Run
from streams.origin import run_folder
from streams.studio import BroadcastStudio
from streams.supervisor.loop import Supervisor
from streams.supervisor.process import Process, find_runs
from streams.supervisor.states import RunState

logger = logging.getLogger(__name__)

# How long a publisher may be on no broadcast.
STRANGER_PATIENCE = 5.0
RECONCILED_AT = "reconciled_at"

stopping = threading.Event()


@worker_shutting_down.connect
def hand_over(**_: Any) -> None:
    """The worker is asked to stop: supervisors give their leases back and leave FFmpeg alone."""
    stopping.set()


@worker_ready.connect
def take_up(**_: Any) -> None:
    """Adopt what the last worker left, without waiting for beat."""
    reconcile.delay()


@shared_task
def drive_broadcast(broadcast_id: str) -> None:
    """Drive the broadcast if its lease is free; return at once if somebody else has it."""
    held = lease.acquire(UUID(broadcast_id))
    if held is None:
        return
    root = Path(settings.HLS_ROOT)
    Supervisor(BroadcastDesk(held, node, root), BroadcastStudio(held, node, root)).drive(stopping)


def ask_for_driver(broadcast_id: UUID) -> None:
    """A hint to the workers. When the broker is away the reconciler finds the broadcast later."""
    try:
        drive_broadcast.apply_async((str(broadcast_id),), retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("broadcast %s waits for the reconciler: %s", broadcast_id, error)


@shared_task
def reconcile() -> None:
    """Compare what is open with who publishes and who drives, and close the gaps."""
    now = timezone.now()
    try:
        publishers: dict[str, Publisher] | None = node.publishers()
    except IngestUnreachable as error:
        logger.warning("reconciling without the ingest: %s", error)
        publishers = None
    broadcasts = list(Broadcast.objects.filter(open_key__isnull=False))
    for broadcast in broadcasts:
        if publishers is not None and is_missing(broadcast, publishers, now):
            mark_gone(broadcast, gone_since(broadcast, now))
        if broadcast.lease_until <= now:
            ask_for_driver(broadcast.pk)
    if publishers is not None:
        _drop_strangers(publishers, {broadcast.ingest_name for broadcast in broadcasts})
    cache.set(RECONCILED_AT, now.timestamp(), timeout=3600)


def _drop_strangers(publishers: dict[str, Publisher], known: set[str]) -> None:
    """Disconnect publishers of broadcasts that are over, so that they publish anew or stop."""
    for name, publisher in publishers.items():
        if name not in known and publisher.time_ms > STRANGER_PATIENCE * 1000:
            logger.warning("publisher %s belongs to no open broadcast; dropped", name)
            drop_quietly(node, name)


@shared_task
def clear_sessions() -> None:
    """Every viewer of a page has a session; those that ran out go."""
    call_command("clearsessions")


@shared_task
def collect_garbage() -> None:
    """Close folders of broadcasts whose row is closed, and remove what nobody plays any more."""
    root = Path(settings.HLS_ROOT)
    # What frees space comes first: a full disk may fail the rest.
    disk.relieve(root)
    _put_down_strays(root)
    # Folders before rows: a broadcast that begins meanwhile is not among them.
    unended = list(run_folder.unended_broadcasts(root))
    rows = Broadcast.objects.filter(open_key__isnull=False)
    open_now = {pk.hex for pk in rows.values_list("pk", flat=True)}
    for stream, broadcast in unended:
        if broadcast not in open_now:
            try:
                run_folder.end_broadcast(root, stream, broadcast, timezone.now())
            except OSError as error:
                logger.warning("the folder of %s could not be closed: %s", stream, error)


def _put_down_strays(root: Path) -> None:
    """End FFmpegs of this host whose run is over for the record, or was deleted from it."""
    for found in find_runs(root):
        wanted = Run.objects.filter(pk=found.run_id, broadcast__open_key__isnull=False).exclude(
            state=RunState.ENDED
        )
        if not wanted.exists():
            logger.warning("run %s (pid %d) is nobody's; ended", found.run_id, found.pid)
            with suppress(ProcessLookupError):
                Process(found.pid).put_down()
