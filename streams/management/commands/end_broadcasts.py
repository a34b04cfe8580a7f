"""`manage.py end_broadcasts`: end what is on air, for when the installation is stopped for good."""

import contextlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.models import Q
from django.utils import timezone

from streams.identity import HOST
from streams.models import Broadcast, Run
from streams.origin import run_folder
from streams.supervisor.ending import farewell
from streams.supervisor.process import Process, find_runs
from streams.supervisor.states import EndReason, EventKind
from streams.timeline import note


class Command(BaseCommand):
    help = (
        "End every FFmpeg that this installation left running on this host (TERM, 5 s, KILL) and "
        "close the broadcasts that no other host drives. A worker that only restarts adopts them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(settings.HLS_ROOT)
        for found in find_runs(root):
            with contextlib.suppress(ProcessLookupError):
                Process(found.pid).put_down()
            self.stdout.write(f"ended run {found.run_id} (pid {found.pid})")
        now = timezone.now()
        ours = Q(lease_until__lte=now) | Q(holder__startswith=f"{HOST}:")
        broadcasts = Broadcast.objects.filter(ours, open_key__isnull=False)
        for broadcast in broadcasts.prefetch_related("stream"):
            newest = Run.objects.filter(broadcast=broadcast).order_by("-number").first()
            if newest is not None and newest.host != HOST:
                continue  # another host's worker is between two lives
            closed = Broadcast.objects.filter(
                pk=broadcast.pk, fence=broadcast.fence, lease_until=broadcast.lease_until
            ).update(**broadcast.closing(EndReason.REQUESTED, now))
            if closed:
                Run.settle(broadcast, EndReason.REQUESTED, now)
                note(broadcast.pk, EventKind.ENDED, farewell(EndReason.REQUESTED))
                run_folder.end_broadcast(root, broadcast.stream.name, broadcast.pk.hex, now)
                self.stdout.write(f"ended the broadcast of {broadcast.stream.name}")
