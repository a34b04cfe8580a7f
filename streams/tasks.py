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
from streams.foreman import Foreman
from streams.ingest_node import node
from streams.models import Broadcast
from streams.origin import run_folder
from streams.supervisor import isolation

logger = logging.getLogger(__name__)

HANDED_OVER_WITHIN = 8.0


@once
def crew() -> Crew:
    """The supervisors of this worker process."""
    return Crew(node, Path(settings.HLS_ROOT), settings.MOST_BROADCASTS)


@once
def the_foreman() -> Foreman:
    return Foreman(crew(), Path(settings.HLS_ROOT))


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


@shared_task
def collect_garbage() -> None:
    """Close folders of broadcasts whose row is closed, and remove what nobody plays any more."""
    root = Path(settings.HLS_ROOT)
    isolation.remove_leftovers()
    capacity.forget_hosts(timezone.now())
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
