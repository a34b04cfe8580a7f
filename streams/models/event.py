"""Events: the timeline of a broadcast, so that last night can be understood this morning."""

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel
from streams.models.broadcast import Broadcast
from streams.supervisor.states import EventKind


class Event(UUIDModel):
    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=24, choices=[(k.value, k.value) for k in EventKind])
    text = models.CharField(max_length=255, blank=True, help_text="One plain sentence.")
    run_number = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ("at",)
        indexes = [models.Index(fields=("broadcast", "at"))]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.kind}"
