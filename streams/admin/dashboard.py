"""The admin's first page: what is on air now."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from streams import presence
from streams.admin.broadcast import short
from streams.admin.run import STATE_COLOURS, pace
from streams.models import Broadcast, Run, Stream


def add_on_air(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK. Streamers see what is theirs."""
    rows = Broadcast.objects.filter(open_key__isnull=False).prefetch_related("stream")
    if not request.user.is_superuser:
        rows = rows.filter(stream__in=Stream.ids_of(request.user.pk))
    broadcasts = list(rows)
    viewers = presence.counts([broadcast.stream_id for broadcast in broadcasts])
    runs = Run.at_work(broadcasts)
    now = timezone.now()
    context["on_air"] = [
        {
            "broadcast": broadcast,
            "length": short((now - broadcast.started_at).total_seconds()),
            "viewers": viewers[broadcast.stream_id],
            "pace": pace(runs[broadcast.pk]) if broadcast.pk in runs else "-",
            "colour": STATE_COLOURS.get(broadcast.state, "default"),
        }
        for broadcast in broadcasts
    ]
    return context
