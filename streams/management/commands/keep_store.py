"""`manage.py keep_store`: look after the segments that other hosts deliver here."""

import logging
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from streams import disk
from streams.closing import close_over
from streams.deliveries import tell_of_origin

logger = logging.getLogger(__name__)

EVERY = 3.0


class Command(BaseCommand):
    help = (
        "Remove what nobody plays any more from the folder of segments, sooner the fuller the disk "
        "is, close what is over, as a worker does for its own host, and tell how the disk is. "
        "Until it is stopped."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(settings.HLS_ROOT)
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.wait(EVERY):
            now = timezone.now()
            for work in (
                partial(disk.relieve, root),
                partial(close_over, root, now),
                partial(tell_of_origin, root, now),
            ):
                try:
                    work()
                except (DatabaseError, InterfaceError) as error:
                    close_old_connections()
                    logger.warning("the database is away, nothing is closed: %s", error)
                except Exception:  # whatever it is, the next round comes
                    logger.exception("a round of the keeper failed")
