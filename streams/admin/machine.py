"""Machines in the admin: what hosts and nodes wrote of themselves, for superusers."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

from streams.admin.run import ReadOnly


class MachineAdmin(ReadOnly, ModelAdmin):
    show_full_result_count = False

    # Streamers have no business with machines.
    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)


class LastingMachineAdmin(MachineAdmin):
    """One that is gone for good stays until it is deleted; another one comes back by itself."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)
