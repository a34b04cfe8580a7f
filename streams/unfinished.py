"""Unfinished runs: those of a broadcast that are ours to judge, and what becomes of their rows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from django.db.models import QuerySet
from django.utils import timezone

from streams import timeline
from streams.board import record
from streams.lease import Lease
from streams.models import Run
from streams.supervisor.ending import classify, explain, not_started
from streams.supervisor.look import last_words
from streams.supervisor.progress import read as read_progress
from streams.supervisor.roles import Unavailable
from streams.supervisor.states import AT_WORK, EndReason, EventKind


def rows(held: Lease) -> QuerySet[Run]:
    """Not those of a later holder."""
    return Run.objects.filter(
        broadcast_id=held.broadcast_id, fence__lte=held.fence, state__in=AT_WORK
    )


def settle(held: Lease, run: Run, root: Path) -> None:
    """Close a run that nobody watches, with what can still be told of its end."""
    folder = root / run.folder
    log = last_words(folder / "ffmpeg.log") if run.folder else ""
    progress = read_progress(folder / "progress.txt") if run.folder else None
    reason = classify(
        asked=None,
        exit_code=None,
        finished=progress is not None and progress.ended,
        produced=run.segments > 0,
        log=log,
    )
    if reason is EndReason.KILLED:  # it left no word, so nobody knows
        reason = EndReason.LOST
    columns = Run.closing(reason, timezone.now())
    if rows(held).filter(pk=run.pk).update(**columns, log_tail=log) == 1:
        text = explain(reason, log)
        timeline.note(run.broadcast_id, EventKind.RUN_ENDED, text, run_number=run.number)


@contextlib.contextmanager
def closed_if_it_fails(held: Lease, run: Run) -> Iterator[None]:
    """A run without an FFmpeg counts as load, and as wanted, until its row is closed."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(Unavailable), record():
            columns = Run.closing(not_started(error), timezone.now())
            rows(held).filter(pk=run.pk).update(**columns, log_tail=str(error))
        raise
