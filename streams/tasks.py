"""Celery tasks: have a broadcast driven, clear away what is over; a worker begins and ends here."""

import logging
from functools import cache as once
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_init, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from streams import capacity, foreman
from streams.crew import Crew
from streams.deliveries import forget_origins
from streams.foreman import Foreman
from streams.ingest_nodes import forget_nodes, nodes
from streams.models import Broadcast, Stream

logger = logging.getLogger(__name__)

HANDED_OVER_WITHIN = 8.0


@once
def crew() -> Crew:
    """The supervisors of this worker process."""
    return Crew(nodes, Path(settings.HLS_ROOT), settings.MOST_BROADCASTS)


@once
def the_foreman() -> Foreman:
    return Foreman(crew(), Path(settings.HLS_ROOT), Path(settings.ENV.run) / "foreman")


@worker_init.connect
def take_up(**_: Any) -> None:
    """Adopt what the last worker left; not only once the broker answers."""
    the_foreman().start()


@worker_shutting_down.connect
def hand_over(**_: Any) -> None:
    """The worker is asked to stop: supervisors give their leases back and leave FFmpeg alone."""
    the_foreman().stop()
    crew().stop()


@worker_shutdown.connect
def wait_for_hand_over(**_: Any) -> None:
    if not crew().wait(HANDED_OVER_WITHIN):
        logger.warning(
            "not every lease was given back; the rest are free once this process is gone"
        )


@shared_task
def drive_broadcast(broadcast_id: str) -> None:
    """Drive the broadcast if its lease is free; return at once, whoever has it."""
    crew().take(UUID(broadcast_id))


def ask_for_driver(broadcast_id: UUID) -> bool:
    """A hint to the workers; whether it could be given. When the broker is away the foreman finds
    the broadcast later."""
    try:
        drive_broadcast.apply_async((str(broadcast_id),), retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("broadcast %s waits for the foreman: %.200s", broadcast_id, error)
        return False
    return True


@shared_task
def reconcile() -> None:
    """What the foreman does, should his thread be stuck."""
    foreman.reconcile(crew())


@shared_task
def clear_sessions() -> None:
    """Every viewer of a page has a session; those that ran out go."""
    call_command("clearsessions")


def forget_orphans() -> None:
    """Open broadcasts of streams that are no more: MongoDB keeps no row from losing its parent."""
    rows = list(Broadcast.briefly().filter(open_key__isnull=False))
    streams = Stream.objects.in_bulk([row.stream_id for row in rows])
    for row in rows:
        if row.stream_id not in streams:
            row.delete()


@shared_task
def collect_garbage() -> None:
    """Forget what is no more."""
    now = timezone.now()
    capacity.forget_hosts(now)
    forget_nodes(now)
    forget_origins(now)
    forget_orphans()
