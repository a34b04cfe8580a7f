"""`manage.py run_broadcast NAME`: drive one stream's broadcast here, without Celery."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from streams import lease
from streams.crew import Crew
from streams.identity import host_of
from streams.ingest import open_broadcast
from streams.ingest_nodes import nodes
from streams.models import Broadcast, Event, Run, Stream

LOOK_EVERY = 0.5
HANDED_OVER_WITHIN = 8.0


class Command(BaseCommand):
    help = (
        "Drive the broadcast of the stream NAME in the foreground, as a worker does, and tell what "
        "happens to it. Waits for a publisher; returns when the broadcast is over. Ctrl-C hands "
        "over: FFmpeg goes on, and the next worker adopts it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The stream's name.")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        stream = Stream.objects.filter(name=name).first()
        if stream is None:
            names = ", ".join(Stream.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no stream named {name}. There are: {names}.")
        crew = Crew(nodes, Path(settings.HLS_ROOT), most=1)
        with _stopped_by_signals() as stopping:
            try:
                broadcast = self._wait_for(stream, crew, stopping)
                if broadcast is not None:
                    self._tell(broadcast, crew, stopping)
            finally:
                crew.stop()
                handed_over = crew.wait(HANDED_OVER_WITHIN)
        if broadcast is not None and stopping.is_set():
            self._say_what_goes_on(broadcast, handed_over)

    def _wait_for(self, stream: Stream, crew: Crew, stopping: threading.Event) -> Broadcast | None:
        """The broadcast, once the crew drives it; None when it was stopped before."""
        waiting = False
        while not stopping.is_set():
            broadcast = open_broadcast(stream)
            if broadcast is not None:
                if crew.take(broadcast.pk):
                    self.stdout.write(f"{stream.name} is driven here.")
                    return broadcast
                self._refuse_if_driven(stream, broadcast.pk)
            elif not waiting:
                waiting = True
                self.stdout.write(f"Waiting for a publisher of {stream.name}.")
            stopping.wait(LOOK_EVERY)
        return None

    def _refuse_if_driven(self, stream: Stream, broadcast_id: Any) -> None:
        broadcast = Broadcast.objects.filter(pk=broadcast_id, open_key__isnull=False).first()
        if broadcast is not None and not lease.is_free(broadcast, timezone.now()):
            raise CommandError(
                f"{stream.name} is driven by a worker on {host_of(broadcast.holder)} already. Stop "
                "that worker first; FFmpeg goes on meanwhile."
            )

    def _tell(self, broadcast: Broadcast, crew: Crew, stopping: threading.Event) -> None:
        """Write the timeline as it grows, until the broadcast is over or somebody else's."""
        told: set[Any] = set()
        while True:
            at_work = crew.driven > 0
            try:
                self._write_new(broadcast, told)
            except (DatabaseError, InterfaceError):  # the supervisor goes on without it, so do we
                close_old_connections()
            if not at_work or stopping.wait(LOOK_EVERY):
                break
        if not stopping.is_set():
            over = not Broadcast.objects.filter(pk=broadcast.pk, open_key__isnull=False).exists()
            if not over:
                raise CommandError("Another worker took over.")

    def _write_new(self, broadcast: Broadcast, told: set[Any]) -> None:
        for event in Event.objects.filter(broadcast=broadcast).exclude(pk__in=told).order_by("at"):
            told.add(event.pk)
            at = timezone.localtime(event.at)
            self.stdout.write(f"{at:%H:%M:%S} {event.kind.replace('_', ' ')}: {event.text}")
        self.stdout.flush()

    def _say_what_goes_on(self, broadcast: Broadcast, handed_over: bool) -> None:
        run = Run.at_work([broadcast]).get(broadcast.pk)
        lost = "" if handed_over else " The lease is free once this process is gone."
        if run is None:
            self.stdout.write(f"Handed over; no FFmpeg was running.{lost}")
        else:
            self.stdout.write(
                f"Handed over: FFmpeg (pid {run.pid}) goes on, and the next worker on {run.host} "
                f"adopts it.{lost}"
            )


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set by Ctrl-C and TERM."""
    stopping = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
