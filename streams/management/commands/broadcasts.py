"""`manage.py broadcasts`: what is on air, who drives it, and how it fares."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from streams.identity import host_of
from streams.models import Broadcast, Run, Stream

COLUMNS = (
    "stream",
    "state",
    "host",
    "pid",
    "lease",
    "fps",
    "speed",
    "cpu",
    "restarts",
    "publisher",
    "note",
)


class Command(BaseCommand):
    help = "List what is on air. A lease is who drives a broadcast, and for how many seconds more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, json: bool = False, **options: Any) -> None:
        rows = on_air()
        if json:
            self.stdout.write(as_json(rows))
        elif rows:
            self.stdout.write(as_table(rows))
        else:
            self.stdout.write("Nothing is on air.")


def on_air() -> list[dict[str, Any]]:
    """One entry per open broadcast, by the names of their streams."""
    rows = list(Broadcast.objects.filter(open_key__isnull=False))
    streams = Stream.objects.in_bulk([row.stream_id for row in rows])
    broadcasts = [row for row in rows if row.stream_id in streams]
    for broadcast in broadcasts:
        broadcast.stream = streams[broadcast.stream_id]
    runs = Run.at_work(broadcasts)
    broadcasts.sort(key=lambda broadcast: broadcast.stream.name)
    return [_entry(broadcast, runs.get(broadcast.pk)) for broadcast in broadcasts]


def _entry(broadcast: Broadcast, run: Run | None) -> dict[str, Any]:
    left = (broadcast.lease_until - timezone.now()).total_seconds()
    driven = bool(broadcast.holder) and left > 0
    return {
        "id": str(broadcast.pk),
        "stream": broadcast.stream.name,
        "state": broadcast.state,
        "started_at": broadcast.started_at.isoformat(),
        "host": run.host if run is not None else None,
        "pid": run.pid if run is not None else None,
        "run": run.number if run is not None else None,
        "lease_host": host_of(broadcast.holder) if driven else None,
        "lease_seconds": round(left, 1) if driven else 0.0,
        "fps": run.fps if run is not None else None,
        "speed": run.speed if run is not None else None,
        "cpu": run.cpu if run is not None else None,
        "restarts": broadcast.restarts,
        "publisher": broadcast.ingest_address if broadcast.publisher_gone_at is None else None,
        "findings": [finding["code"] for finding in broadcast.findings],
        "note": " ".join(filter(None, (broadcast.end_note, broadcast.ladder_note))),
    }


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=2)


def as_table(rows: list[dict[str, Any]]) -> str:
    table = [[name.upper() for name in COLUMNS], *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def _cells(row: dict[str, Any]) -> list[str]:
    lease = f"{row['lease_host']} {row['lease_seconds']:.0f} s" if row["lease_host"] else "nobody"
    return [
        row["stream"],
        row["state"],
        row["host"] or "-",
        str(row["pid"] or "-"),
        lease,
        _number(row["fps"], "{:.0f}"),
        _number(row["speed"], "{:.2f}x"),
        _number(row["cpu"], "{:.2f}"),
        str(row["restarts"]),
        row["publisher"] or "gone",
        row["note"],
    ]


def _number(value: float | None, form: str) -> str:
    return form.format(value) if value is not None else "-"
