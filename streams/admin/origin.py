"""Origins in the admin: where segments are delivered to, and how much room there is."""

from django.contrib import admin

from streams.admin.machine import LastingMachineAdmin
from streams.models import Origin


@admin.register(Origin)
class OriginAdmin(LastingMachineAdmin):
    list_display = ("name", "disk", "seen_at")
    fields = (("name", "seen_at"), "disk")
