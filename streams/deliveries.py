"""Deliveries: what hosts of workers and of origins tell of the way between them, for /health."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from streams import disk
from streams.identity import HOST
from streams.models import Host, Origin
from streams.origin import courier

# A worker tells every ten seconds, a keeper as often.
SILENT_AFTER = timedelta(seconds=40)
FORGOTTEN_AFTER = timedelta(days=1)


def trouble(now: datetime) -> str:
    """Which origins get nothing of what this host makes, and why; empty: all do, or those that do
    not are lost as a whole and edges ask another one. Raises what the database raises."""
    if not settings.DELIVER_TO:
        return ""
    told = courier.told(Path(settings.ENV.run) / courier.STATUS_FILE)
    if "" not in told and 0 < len(told) < len(settings.DELIVER_TO) and len(told) <= _lost(now):
        return ""
    return "; ".join(told.values())[:255]


def _lost(now: datetime) -> int:
    """How many origins are; one that has not been there for a day is on no list any more."""
    present = Origin.objects.filter(seen_at__gte=now - SILENT_AFTER).count()
    return len(settings.DELIVER_TO) - present


def tell_of_origin(root: Path, now: datetime) -> None:
    """This host's, to which others deliver. Raises what the database raises."""
    short, text = disk.state(root)
    Origin.objects.update_or_create(
        name=HOST, defaults={"disk": text, "short": short, "seen_at": now}
    )


def undelivered(now: datetime) -> list[str]:
    """What is not well with hosts of workers, and what to do about it."""
    hosts = Host.objects.filter(seen_at__gt=now - SILENT_AFTER, broadcasts__gt=0)
    return [
        f"{host.name} drives {host.broadcasts} broadcasts, of which viewers get nothing new: "
        f"{host.trouble}. Mend the way from there; or call ./deploy/app.sh stop on that host, and "
        "another one goes on with them, or on that origin, and edges ask the other one"
        for host in hosts.exclude(trouble="")
    ]


def silent_and_short(origins: Iterable[Origin], now: datetime) -> tuple[list[str], list[str]]:
    """Whose keeper says nothing any more; and what others say of disks that are too full."""
    silent = [origin for origin in origins if origin.seen_at < now - SILENT_AFTER]
    short = [origin for origin in origins if origin.short and origin not in silent]
    return [origin.name for origin in silent], [f"{one.name}: {one.disk}" for one in short]


def forget_origins(now: datetime) -> None:
    """Those that have not been heard of for a day."""
    Origin.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
