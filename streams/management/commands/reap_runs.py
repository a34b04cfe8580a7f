"""`manage.py reap_runs`: end every FFmpeg of this installation on this host."""

import contextlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from streams.supervisor.process import Process, find_runs


class Command(BaseCommand):
    help = (
        "End every FFmpeg that this installation left running on this host (TERM, 5 s, KILL). "
        "For after the worker was stopped for good; a worker that restarts adopts them instead."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for found in find_runs(Path(settings.HLS_ROOT)):
            with contextlib.suppress(ProcessLookupError):
                Process(found.pid).put_down()
                self.stdout.write(f"ended run {found.run_id} (pid {found.pid})")
