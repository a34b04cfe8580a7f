"""Continuations: where the numbers of a broadcast's next run begin, whoever made the last one."""

import json
import logging
from functools import cache as once
from pathlib import Path

from django.conf import settings

from streams.models import Run
from streams.origin import layout
from streams.origin.store import Continuation, NeverTaken, Store, StoreAway

logger = logging.getLogger(__name__)

# Segments that may have been made since their number was last written down.
UNREPORTED = 30
PATIENCE = 2.0  # seconds that a store may take for each answer
AT_THE_BEGINNING = Continuation(0, 0, ())


def after(newest: Run | None, root: Path) -> Continuation:
    """What follows the newest run at least; its own folder, where it is here, tells more.

    Stores know what players were told. Without them its numbers still go on, with a gap.
    """
    if newest is None:
        return AT_THE_BEGINNING
    names = tuple(rendition["name"] for rendition in newest.renditions)
    if not newest.folder:
        return Continuation(0, 0, names)
    if settings.DELIVER_TO and not (root / newest.folder / layout.RUN_FILE).is_file():
        found = [known for store in _stores() if (known := _ask(store, newest.folder, root))]
        if found:
            return max(found, key=lambda known: known.first_sequence)
    return Continuation(newest.first_sequence + newest.segments + UNREPORTED, newest.number, names)


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
