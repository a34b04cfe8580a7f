"""Continuations: where the numbers of a broadcast's next run begin, whoever made the last one."""

import json
import logging
from functools import cache as once
from pathlib import Path

from django.conf import settings

from streams.models import Broadcast, Run
from streams.origin import layout
from streams.origin.run_folder import NOTHING_BEFORE, Before
from streams.origin.store import NeverTaken, Store, StoreAway

logger = logging.getLogger(__name__)

# Segments that may have been made since their number was last written down.
UNREPORTED = 30
PATIENCE = 2.0  # seconds that a store may take for each answer


def after(broadcast: Broadcast, root: Path) -> Before:
    """Where its next run begins at least; where folders of its runs are here, they tell more.

    Stores know what players were told. Without them its numbers still go on, with a gap.
    """
    # One without a folder never had an FFmpeg.
    opened = Run.objects.filter(broadcast=broadcast).exclude(folder="")
    # A stale holder may have opened a later one, which counts for nothing.
    newest = opened.order_by("-fence", "-number").first()
    if newest is None:
        return NOTHING_BEFORE
    if settings.DELIVER_TO and not (root / newest.folder / layout.RUN_FILE).is_file():
        found = [known for store in _stores() if (known := _ask(store, newest.folder, root))]
        if found:
            return max(found, key=lambda known: known.sequence)
    names = tuple(rendition["name"] for rendition in newest.renditions)
    sequence = newest.first_sequence + newest.segments + UNREPORTED
    return Before(newest.number, sequence, opened.count(), names)


@once
def _stores() -> list[Store]:
    return [Store(url, settings.INGEST_SECRET, PATIENCE) for url in settings.DELIVER_TO]


def _ask(store: Store, run: str, root: Path) -> Before | None:
    """Once it knows of our fence, which keeps the other host from adding to the run."""
    path = f"{Path(run).parent}/{layout.BROADCAST_FILE}"
    try:
        ours, found = json.loads((root / path).read_bytes()), store.json(path)
        if found is None:
            return None
        if found.get("fence", 0) < ours["fence"]:
            store.put(path, json.dumps(ours).encode())
        return store.before(run)
    except (StoreAway, NeverTaken, OSError, ValueError) as error:
        logger.warning("what players know of %s cannot be told: %s", run, error)
        return None
