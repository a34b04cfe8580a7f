"""Runs in the admin: read-only, as are broadcasts, so that last night can be understood."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from streams.models import Broadcast, Run, Stream
from streams.supervisor.ending import explain
from streams.supervisor.look import last_words
from streams.supervisor.states import EndReason

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


def describe(rendition: dict[str, Any]) -> str:
    """A rendition in words: `720p 1280x720, x264 2800 kbit/s`."""
    size = f" {rendition['width']}x{rendition['height']}" if rendition.get("width") else ""
    if rendition.get("video") == "copy":
        return f"{rendition['name']}{size}, the source's own video"
    rate = rendition.get("video_bitrate")
    return f"{rendition['name']}{size}" + (f", x264 {rate // 1000} kbit/s" if rate else "")


def pace(run: Run) -> str:
    """Frames per second, media seconds per second, and what that costs."""
    parts = [f"{run.fps:.0f} fps"] if run.fps is not None else []
    parts += [f"{run.speed:.2f}x"] if run.speed is not None else []
    parts += [f"{run.cpu:.2f} cores"] if run.cpu is not None else []
    return ", ".join(parts) or "-"


def why(run: Run) -> str:
    """Why it ended, in a sentence."""
    if not run.end_reason:
        return "-"
    return explain(EndReason(run.end_reason), run.log_tail, run.exit_code)


def words_of(run: Run) -> str:
    """The end of the run's log: from the record when it is over, else from its file, if here."""
    if run.log_tail or not run.folder:
        return run.log_tail
    return last_words(Path(settings.HLS_ROOT) / run.folder / "ffmpeg.log")


def preformatted(text: str) -> str:
    style = "white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.75rem"
    return format_html('<pre style="{}">{}</pre>', style, text) if text else "-"


class RunInline(ReadOnly, TabularInline):
    model = Run
    extra = 0
    per_page = 20
    fields = ("number", "state_label", "started_at", "ended_at", "why", "pace", "host")
    readonly_fields = fields
    ordering = ("-number",)
    show_change_link = True
    hide_title = True

    @display(description="state", label=STATE_COLOURS)
    def state_label(self, run: Run) -> str:
        return run.state

    @display(description="why it ended")
    def why(self, run: Run) -> str:
        return why(run)

    @display(description="fps, speed, CPU")
    def pace(self, run: Run) -> str:
        return pace(run)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(Run)
class RunAdmin(ReadOnly, ModelAdmin):
    list_display = ("broadcast_text", "number", "state_label", "started_at", "end_reason", "pace")
    # By anything else the database would have to sort all of them.
    sortable_by = ("started_at",)
    list_filter = ("state", "end_reason")
    list_select_related = ()
    show_full_result_count = False
    fields = (
        ("broadcast_text", "number"),
        ("state_label", "pace"),
        ("started_at", "ended_at"),
        ("end_reason", "exit_code"),
        "why",
        ("host", "pid"),
        "ladder_text",
        ("ingest_name", "folder"),
        "log",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs: QuerySet[Run] = super().get_queryset(request).prefetch_related("broadcast__stream")
        if request.user.is_superuser:
            return runs
        hers = Broadcast.objects.filter(stream__in=Stream.ids_of(request.user.pk))
        return runs.filter(broadcast__in=list(hers.values_list("pk", flat=True)))

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

    @display(description="fps, speed, CPU")
    def pace(self, run: Run) -> str:
        return pace(run)

    @display(description="why it ended")
    def why(self, run: Run) -> str:
        return why(run)

    @display(description="FFmpeg's last words")
    def log(self, run: Run) -> str:
        return preformatted(words_of(run))
