"""Continuations: where the numbers of a broadcast's next run begin, whoever made the last one."""

import json
import logging
from functools import cache as once
from pathlib import Path

from django.conf import settings

from streams.models import Broadcast, Run
from streams.origin import layout
from streams.origin.run_folder import AT_THE_BEGINNING, Continuation
from streams.origin.store import NeverTaken, Store, StoreAway

logger = logging.getLogger(__name__)

# Segments that may have been made since their number was last written down.
UNREPORTED = 30
PATIENCE = 2.0  # seconds that a store may take for each answer


def after(broadcast: Broadcast, root: Path) -> Continuation:
    """Where its next run begins at least; where folders of its runs are here, they tell more.

    Stores know what players were told. Without them its numbers still go on, with a gap.
    """
    runs = Run.objects.filter(broadcast=broadcast)
    # One without a folder never had an FFmpeg, and one with a lower fence than another does not
    # count, whatever its number.
    newest = runs.exclude(folder="").order_by("-fence", "-number").first()
    if newest is None:
        return AT_THE_BEGINNING
    names = tuple(rendition["name"] for rendition in newest.renditions)
    if (root / newest.folder / layout.RUN_FILE).is_file():
        return Continuation(0, 0, names)
    if settings.DELIVER_TO:
        found = [known for store in _stores() if (known := _ask(store, newest.folder, root))]
        if found:
            return max(found, key=lambda known: known.first_sequence)
    first_sequence = newest.first_sequence + newest.segments + UNREPORTED
    return Continuation(first_sequence, newest.number, names, newest.number)


@once
def _stores() -> list[Store]:
    return [Store(url, settings.INGEST_SECRET, PATIENCE) for url in settings.DELIVER_TO]


def _ask(store: Store, run: str, root: Path) -> Continuation | None:
    """Once it knows of our fence, which keeps the other host from adding to the run."""
    path = f"{Path(run).parent}/{layout.BROADCAST_FILE}"
    try:
        ours, found = json.loads((root / path).read_bytes()), store.json(path)
        if found is None:
            return None
        if found.get("fence", 0) < ours["fence"]:
            store.put(path, json.dumps(ours).encode())
        return store.continuation(run)
    except (StoreAway, NeverTaken, OSError, ValueError) as error:
        logger.warning("what players know of %s cannot be told: %s", run, error)
        return None
