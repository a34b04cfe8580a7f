"""Hosts in the admin: which machines run FFmpegs, and how much of them is in use."""

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display

from streams.admin.machine import MachineAdmin
from streams.models import Host

# Workers write every few seconds.
AWAY_AFTER = 60.0


@admin.register(Host)
class HostAdmin(MachineAdmin):
    list_display = ("name", "presence", "in_use", "broadcasts", "trouble", "seen_at")
    fields = (("name", "presence"), ("in_use", "cost_factor"), ("broadcasts", "seen_at"), "trouble")

    @display(description="worker", label={"at work": "success", "away": "danger"})
    def presence(self, host: Host) -> str:
        silent = (timezone.now() - host.seen_at).total_seconds()
        return "at work" if silent < AWAY_AFTER else "away"

    @display(description="cores in use")
    def in_use(self, host: Host) -> str:
        return f"{host.used:.1f} of {host.cores:g}"
