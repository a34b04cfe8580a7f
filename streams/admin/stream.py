"""Streams in the admin: the registry, OBS settings, keys, stopping a broadcast."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from streams.admin.run import STATE_COLOURS
from streams.models import Broadcast, Stream, StreamKey
from streams.supervisor.states import EventKind, Wanted
from streams.timeline import note

# OBS comes back by itself 2, 3, 4.4… seconds after a cut; a stop that it undoes is none.
REFUSED_AFTER_STOP = timedelta(minutes=5)


class StreamKeyInline(TabularInline):
    """The keys in use; one that leaked is deleted here."""

    model = StreamKey
    extra = 0
    fields = ("hint", "created_at", "last_used_at", "expires_at")
    readonly_fields = ("hint", "created_at", "last_used_at")
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a key's text is shown by the page that makes it

    # Who may open the stream may look after its keys.
    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


@admin.register(Stream)
class StreamAdmin(ModelAdmin):
    list_display = ("name", "title", "owner", "on_air", "visibility", "enabled")
    list_filter = ("enabled", "visibility")
    list_select_related = ()
    search_fields = ("name", "title")
    show_full_result_count = False
    autocomplete_fields = ("owner",)
    change_form_before_template = "streams/admin/obs.html"
    actions_detail = ["watch", "rotate_key", "stop_broadcast"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stream]:
        on_air = Broadcast.objects.filter(open_key__isnull=False)
        streams: QuerySet[Stream] = (
            super()
            .get_queryset(request)
            .prefetch_related("owner", Prefetch("broadcasts", on_air, to_attr="on_air_now"))
        )
        return streams if request.user.is_superuser else streams.filter(owner=request.user.pk)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[type[StreamKeyInline]]:
        return [StreamKeyInline] if obj is not None else []

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return ()
        return ("name", "owner", "enabled", "ladder", "refused_until")

    # A streamer, that is a staff user who owns streams, needs no permission to manage those.
    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_module_permission(request)) or self._owns(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_view_permission(request, obj)) or self._owns(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_change_permission(request, obj)) or self._owns(request, obj)

    def _owns(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        if obj is not None:
            return obj.owner_id == request.user.pk
        return Stream.objects.filter(owner=request.user.pk).exists()

    def delete_model(self, request: HttpRequest, obj: Stream) -> None:
        self.delete_queryset(request, Stream.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        """Disabled first, so that no broadcast is opened that the deletion does not see."""
        streams = list(queryset)
        Stream.objects.filter(pk__in=[stream.pk for stream in streams]).update(enabled=False)
        for stream in streams:
            stream.delete()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """Nobody deletes what was on air by itself, but with its stream it goes."""
        listed, counts, _, protected = super().get_deleted_objects(objs, request)
        return listed, counts, set(), protected

    @display(description="on air", label=STATE_COLOURS)
    def on_air(self, stream: Any) -> str:
        return next((broadcast.state for broadcast in stream.on_air_now), "offline")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        mine = [
            path("<uuid:pk>/key/", view(self.key_view), name="streams_stream_key"),
            path("<uuid:pk>/stop/", view(self.stop_view), name="streams_stream_stop"),
        ]
        return mine + list(super().get_urls())

    @action(description="Watch", icon="play_arrow")
    def watch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(f"/{self._chosen(request, object_id).name}")

    @action(description="New key", icon="key")
    def rotate_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._to("key", self._chosen(request, object_id))

    @action(description="Stop broadcast", icon="stop_circle")
    def stop_broadcast(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._to("stop", self._chosen(request, object_id))

    def _chosen(self, request: HttpRequest, object_id: str) -> Stream:
        """Raises Http404 for what is no id, or not the user's."""
        stream: Stream | None = self.get_object(request, object_id)
        if stream is None:
            raise Http404
        return stream

    def _to(self, page: str, stream: Stream) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:streams_stream_{page}", args=[stream.pk]))

    def response_add(self, request: HttpRequest, obj: Stream, *args: Any) -> HttpResponse:
        """A stream without a key is of no use: show its first one."""
        super().response_add(request, obj, *args)
        return self._to("key", obj)

    def key_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Asks first, then shows the new key in the answer itself: it is kept nowhere."""
        stream = get_object_or_404(self.get_queryset(request), pk=pk)
        key = StreamKey.rotate(stream) if request.method == "POST" else None
        return self._page(request, stream, "streams/admin/key.html", key=key)

    def stop_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        stream = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            until = timezone.now() + REFUSED_AFTER_STOP
            Stream.objects.filter(pk=stream.pk).update(refused_until=until)
            stopped = self._stop(stream, request)
            message = "The stream is not on air."
            if stopped:
                message = f"The broadcast ends now. Publishers are refused until {until:%H:%M} UTC."
            if stopped and request.user.is_superuser:
                message += (
                    " Disable the stream to keep them off; clear “refused until” to let them in."
                )
            self.message_user(request, message)
            return self._to("change", stream)
        on_air = Broadcast.objects.filter(open_key=stream.pk).exists()
        return self._page(request, stream, "streams/admin/stop.html", on_air=on_air)

    def _stop(self, stream: Stream, request: HttpRequest) -> bool:
        broadcast = Broadcast.objects.filter(open_key=stream.pk, wanted=Wanted.ON).first()
        if broadcast is None:
            return Broadcast.objects.filter(open_key=stream.pk).exists()
        stopped = Broadcast.objects.filter(pk=broadcast.pk, open_key=stream.pk).update(
            wanted=Wanted.OFF
        )
        if stopped:
            note(broadcast.pk, EventKind.STOP_ASKED, f"{request.user} stopped the broadcast.")
        return stopped == 1

    def _page(
        self, request: HttpRequest, stream: Stream, template: str, **context: Any
    ) -> TemplateResponse:
        everything = {
            **self.admin_site.each_context(request),
            "title": stream.heading,
            "original": stream,
            "opts": self.model._meta,
            "rtmp_url": settings.RTMP_URL,
            **context,
        }
        return TemplateResponse(request, template, everything)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {
            **(extra_context or {}),
            "rtmp_url": settings.RTMP_URL,
            "open_ingest": settings.OPEN_INGEST,
        }
        return super().changeform_view(request, object_id, form_url, context)
