"""`manage.py end_broadcasts`: end what is on air here, for when this host is stopped for good."""

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from streams import capacity
from streams.identity import host_of, is_here
from streams.models import Broadcast, Run
from streams.origin import run_folder
from streams.supervisor.ending import farewell
from streams.supervisor.process import Process, find_runs, put_down_all
from streams.supervisor.states import EndReason, EventKind
from streams.timeline import note


class Command(BaseCommand):
    help = (
        "End every FFmpeg that this installation left running on this host (TERM, 5 s, KILL) and "
        "close the broadcasts that no other host drives; where workers of other hosts are at work, "
        "leave them to those. A worker that only restarts adopts them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(settings.HLS_ROOT)
        runs = []
        for found in find_runs(root):
            with contextlib.suppress(ProcessLookupError):
                runs.append(Process(found.pid))
            self.stdout.write(f"run {found.run_id} (pid {found.pid}) is ended")
        put_down_all(runs)
        now = timezone.now()
        others = capacity.another_host_is_there(now)
        broadcasts = Broadcast.objects.filter(open_key__isnull=False)
        for broadcast in broadcasts.prefetch_related("stream"):
            if not is_here(host_of(broadcast.holder)) and now < broadcast.lease_until:
                continue  # another host drives it
            newest = Run.objects.filter(broadcast=broadcast).order_by("-number").first()
            if newest is not None and not is_here(newest.host):
                continue  # another host's worker is between two lives
            if others:
                self._leave_to_others(broadcast, now)
                continue
            closed = Broadcast.objects.filter(
                pk=broadcast.pk, fence=broadcast.fence, lease_until=broadcast.lease_until
            ).update(**broadcast.closing(EndReason.REQUESTED, now))
            if closed:
                Run.settle(broadcast, EndReason.REQUESTED, now)
                note(broadcast.pk, EventKind.ENDED, farewell(EndReason.REQUESTED))
                run_folder.end_broadcast(root, broadcast.stream.name, broadcast.pk.hex, now)
                self.stdout.write(f"ended the broadcast of {broadcast.stream.name}")

    def _leave_to_others(self, broadcast: Broadcast, now: datetime) -> None:
        """Runs first: whoever gets the lease then need not wait for ours to be adopted."""
        Run.settle(broadcast, EndReason.REQUESTED, now)
        left = Broadcast.objects.filter(
            pk=broadcast.pk, fence=broadcast.fence, lease_until=broadcast.lease_until
        ).update(holder="", lease_until=now)
        if left:
            self.stdout.write(f"left the broadcast of {broadcast.stream.name} to another host")
