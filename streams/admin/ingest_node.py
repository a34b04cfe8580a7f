"""Ingest nodes in the admin: where other hosts' publishers are taken in."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from streams.admin.run import ReadOnly
from streams.models import IngestNode


@admin.register(IngestNode)
class IngestNodeAdmin(ReadOnly, ModelAdmin):
    list_display = ("name", "control_url", "pull_url", "seen_at")
    fields = (("name", "seen_at"), ("control_url", "pull_url"))
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: IngestNode | None = None) -> bool:
        return self.has_module_permission(request)

    # One that is gone for good; another one comes back with its next publisher.
    def has_delete_permission(self, request: HttpRequest, obj: IngestNode | None = None) -> bool:
        return self.has_module_permission(request)
