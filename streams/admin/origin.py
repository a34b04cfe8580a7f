"""Origins in the admin: where segments are delivered to, and how much room there is."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from streams.admin.run import ReadOnly
from streams.models import Origin


@admin.register(Origin)
class OriginAdmin(ReadOnly, ModelAdmin):
    list_display = ("name", "disk", "seen_at")
    fields = (("name", "seen_at"), "disk")
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Origin | None = None) -> bool:
        return self.has_module_permission(request)

    # One that is gone for good; another one comes back by itself.
    def has_delete_permission(self, request: HttpRequest, obj: Origin | None = None) -> bool:
        return self.has_module_permission(request)
