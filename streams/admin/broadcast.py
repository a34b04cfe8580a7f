"""Broadcasts in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from streams.admin.run import (
    STATE_COLOURS,
    ReadOnly,
    RunInline,
    describe,
    preformatted,
    words_of,
)
from streams.models import Broadcast, Run


def short(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@admin.register(Broadcast)
class BroadcastAdmin(ReadOnly, ModelAdmin):
    list_display = ("stream_name", "started_at", "state_label", "length", "restarts", "end_reason")
    list_filter = ("state", "end_reason")
    list_select_related = ()
    search_fields = ("ingest_name",)
    show_full_result_count = False
    fields = (
        ("stream_name", "state_label"),
        ("started_at", "length"),
        ("end_reason", "restarts"),
        "end_note",
        "source_text",
        "ladder_text",
        ("ingest_address", "ingest_name"),
        ("holder", "lease_until"),
        "last_log",
    )
    inlines = (RunInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Broadcast]:
        rows: QuerySet[Broadcast] = super().get_queryset(request).prefetch_related("stream")
        return rows if request.user.is_superuser else rows.filter(stream__owner=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        owns = obj is None or obj.stream.owner_id == request.user.pk
        return bool(super().has_view_permission(request, obj)) or owns

    @display(description="stream")
    def stream_name(self, broadcast: Broadcast) -> str:
        return broadcast.stream.name

    @display(description="state", label=STATE_COLOURS)
    def state_label(self, broadcast: Broadcast) -> str:
        return broadcast.state

    @display(description="length")
    def length(self, broadcast: Broadcast) -> str:
        end = broadcast.ended_at or timezone.now()
        return short((end - broadcast.started_at).total_seconds())

    @display(description="source")
    def source_text(self, broadcast: Broadcast) -> str:
        video, audio = broadcast.source.get("video"), broadcast.source.get("audio")
        parts = []
        if video:
            rate = f" at {video['fps']:g} fps" if video.get("fps") else ""
            parts.append(f"{video['codec']} {video['width']}x{video['height']}{rate}")
        if audio:
            parts.append(f"{audio['codec']} {audio['sample_rate']} Hz")
        return ", ".join(parts) or "not seen yet"

    @display(description="ladder")
    def ladder_text(self, broadcast: Broadcast) -> str:
        return "; ".join(describe(rendition) for rendition in broadcast.renditions) or "-"

    @display(description="FFmpeg's last words")
    def last_log(self, broadcast: Broadcast) -> str:
        for run in Run.objects.filter(broadcast=broadcast):  # newest first
            if text := words_of(run):
                return preformatted(text)
        return "-"
