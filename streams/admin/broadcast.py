"""Broadcasts in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from streams.admin import timeline
from streams.admin.run import (
    STATE_COLOURS,
    ReadOnly,
    RunInline,
    describe,
    pace,
    preformatted,
    words_of,
)
from streams.models import Broadcast, Run, Stream
from streams.supervisor.states import BroadcastState, EventKind
from streams.timeline import note

# Where FFmpeg's last words are looked for.
NEWEST_RUNS = 20


def short(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@admin.register(Broadcast)
class BroadcastAdmin(ReadOnly, ModelAdmin):
    list_display = (
        "stream_name",
        "started_at",
        "state_label",
        "length",
        "restarts",
        "advice",
        "end_reason",
    )
    # By anything else the database would have to sort all of them.
    sortable_by = ("started_at",)
    list_filter = ("state", "end_reason")
    list_select_related = ()
    search_fields = ("ingest_name",)
    show_full_result_count = False
    fields = (
        ("stream_name", "state_label"),
        ("started_at", "length"),
        ("pace", "restarts"),
        ("end_reason", "end_note"),
        "source_text",
        "ladder_text",
        ("ingest_address", "ingest_name"),
        ("holder", "lease_until"),
        "last_log",
    )
    inlines = (RunInline,)
    change_form_outer_before_template = "streams/admin/broadcast.html"
    actions_detail = ["stop_broadcast"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Broadcast]:
        rows: QuerySet[Broadcast] = super().get_queryset(request).prefetch_related("stream")
        if request.user.is_superuser:
            return rows
        return rows.filter(stream__in=Stream.ids_of(request.user.pk))

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
    def ladder_text(self, broadcast: Broadcast) -> str | SafeString:
        ladder = "; ".join(describe(rendition) for rendition in broadcast.renditions) or "-"
        if not broadcast.ladder_note:
            return ladder
        return format_html("{}<br>{}", ladder, broadcast.ladder_note)

    @display(description="advice")
    def advice(self, broadcast: Broadcast) -> str:
        return str(len(broadcast.findings) or "-")

    @display(description="fps, speed, CPU")
    def pace(self, broadcast: Broadcast) -> str:
        run = Run.objects.filter(broadcast=broadcast).first()
        return pace(run) if run is not None else "-"

    @display(description="FFmpeg's last words")
    def last_log(self, broadcast: Broadcast) -> str:
        for run in Run.objects.filter(broadcast=broadcast)[:NEWEST_RUNS]:  # newest first
            if text := words_of(run):
                return preformatted(text)
        return "-"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Broadcast | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context["timeline"] = timeline.lines(obj)
            context["may_retry"] = obj.state == BroadcastState.FAILED and obj.open_key is not None
        answer: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return answer

    def get_urls(self) -> list[Any]:
        retry = self.admin_site.admin_view(self.retry_view)
        mine = [path("<uuid:pk>/retry/", retry, name="streams_broadcast_retry")]
        return mine + list(super().get_urls())

    def retry_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Try a broadcast again that was given up after too many crashes."""
        broadcast = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            asked = (
                Broadcast.objects.filter(pk=pk, open_key__isnull=False, gave_up_on=F("ingest_name"))
                .exclude(gave_up_on="")
                .update(gave_up_on="", crashes=0, end_note="")
            )
            if asked:
                note(broadcast.pk, EventKind.RETRIED, f"{request.user} asked for another try.")
            message = "FFmpeg is started again." if asked else "There is nothing to try again."
            self.message_user(request, message)
        return HttpResponseRedirect(reverse("admin:streams_broadcast_change", args=[pk]))

    @action(description="Stop broadcast", icon="stop_circle", permissions=["stop"])
    def stop_broadcast(self, request: HttpRequest, object_id: str) -> HttpResponse:
        broadcast: Broadcast | None = self.get_object(request, object_id)
        if broadcast is None:
            raise Http404
        return HttpResponseRedirect(
            reverse("admin:streams_stream_stop", args=[broadcast.stream_id])
        )

    def has_stop_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        broadcast = self.get_object(request, str(object_id))
        return broadcast is not None and broadcast.open_key is not None
