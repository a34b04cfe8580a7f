"""Broadcasts and runs in the admin: read-only, so that last night can be understood."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from streams.models import Broadcast, Run

STATE_COLOURS = {
    "live": "success",
    "starting": "info",
    "reconnecting": "warning",
    "failed": "danger",
    "ended": "default",
    "offline": "default",
    "running": "success",
}


class ReadOnly:
    """Nobody edits what was."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def short(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(rendition: dict[str, Any]) -> str:
    """A rendition in words: `720p 1280x720, x264 2800 kbit/s`."""
    size = f" {rendition['width']}x{rendition['height']}" if rendition.get("width") else ""
    if rendition.get("video") == "copy":
        return f"{rendition['name']}{size}, the source's own video"
    rate = rendition.get("video_bitrate")
    return f"{rendition['name']}{size}" + (f", x264 {rate // 1000} kbit/s" if rate else "")


class RunInline(ReadOnly, TabularInline):
    model = Run
    extra = 0
    fields = ("number", "state", "started_at", "ended_at", "end_reason", "pace", "host")
    readonly_fields = fields
    ordering = ("-number",)
    show_change_link = True
    hide_title = True

    @display(description="fps, speed")
    def pace(self, run: Run) -> str:
        return pace(run)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


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
        run = Run.objects.filter(broadcast=broadcast).exclude(log_tail="").first()
        return preformatted(run.log_tail if run is not None else "")


def pace(run: Run) -> str:
    """Frames per second, and media seconds per second."""
    parts = [f"{run.fps:.0f} fps"] if run.fps is not None else []
    parts += [f"{run.speed:.2f}x"] if run.speed is not None else []
    return ", ".join(parts) or "-"


def preformatted(text: str) -> str:
    style = "white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.75rem"
    return format_html('<pre style="{}">{}</pre>', style, text) if text else "-"


@admin.register(Run)
class RunAdmin(ReadOnly, ModelAdmin):
    list_display = ("broadcast_text", "number", "state_label", "started_at", "end_reason", "pace")
    list_filter = ("state", "end_reason")
    list_select_related = ()
    show_full_result_count = False
    fields = (
        ("broadcast_text", "number"),
        ("state_label", "pace"),
        ("started_at", "ended_at"),
        ("end_reason", "exit_code"),
        ("host", "pid"),
        "ladder_text",
        ("ingest_name", "folder"),
        "log",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs: QuerySet[Run] = super().get_queryset(request).prefetch_related("broadcast__stream")
        return (
            runs
            if request.user.is_superuser
            else runs.filter(broadcast__stream__owner=request.user.pk)
        )

    def has_view_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        owns = obj is not None and obj.broadcast.stream.owner_id == request.user.pk
        return bool(super().has_view_permission(request, obj)) or owns

    @display(description="broadcast")
    def broadcast_text(self, run: Run) -> str:
        return f"{run.broadcast.stream.name}, {run.broadcast}"

    @display(description="state", label=STATE_COLOURS)
    def state_label(self, run: Run) -> str:
        return run.state

    @display(description="ladder")
    def ladder_text(self, run: Run) -> str:
        return "; ".join(describe(rendition) for rendition in run.renditions) or "-"

    @display(description="fps, speed")
    def pace(self, run: Run) -> str:
        return pace(run)

    @display(description="FFmpeg's last words")
    def log(self, run: Run) -> str:
        return preformatted(run.log_tail)
