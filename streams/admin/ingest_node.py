"""Ingest nodes in the admin: where other hosts' publishers are taken in."""

from django.contrib import admin

from streams.admin.machine import LastingMachineAdmin
from streams.models import IngestNode


@admin.register(IngestNode)
class IngestNodeAdmin(LastingMachineAdmin):
    list_display = ("name", "control_url", "pull_url", "seen_at")
    fields = (("name", "seen_at"), ("control_url", "pull_url"))
