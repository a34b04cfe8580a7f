"""Closing: the folders of broadcasts that are over for the record, on this host."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Q

from streams.models import Broadcast
from streams.origin import run_folder

logger = logging.getLogger(__name__)

# Whoever ended a broadcast closes its folder, and what was made last may yet be on its way here.
SETTLED = timedelta(seconds=10)


def close_over(root: Path, now: datetime) -> None:
    # Folders before rows: a broadcast that begins meanwhile is not among them.
    unended = list(run_folder.unended_broadcasts(root))
    if not unended:
        return
    rows = Broadcast.objects.filter(Q(open_key__isnull=False) | Q(ended_at__gt=now - SETTLED))
    open_now = {pk.hex for pk in rows.values_list("pk", flat=True)}
    for stream, broadcast in unended:
        if broadcast not in open_now:
            try:
                run_folder.end_broadcast(root, stream, broadcast, now)
            except OSError as error:
                logger.warning("the folder of %s could not be closed: %s", stream, error)
