"""The folder of a broadcast: begun and ended from its record."""

from datetime import datetime
from pathlib import Path

from streams.models import Broadcast
from streams.origin import run_folder


def begin(root: Path, row: Broadcast, fence: int) -> None:
    """Raises OSError."""
    stream = row.stream
    run_folder.open_broadcast(
        root, stream.name, row.pk.hex, row.started_at, stream.grace_seconds, fence
    )


def end(root: Path, row: Broadcast, fence: int, now: datetime) -> None:
    """Raises OSError."""
    if row.last_segment_at is not None:  # perhaps all of it was made on another host
        begin(root, row, fence)
    run_folder.end_broadcast(root, row.stream.name, row.pk.hex, now)
