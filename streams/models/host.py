"""Hosts: the machines whose workers run FFmpegs, and how much of them is in use."""

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel


class Host(UUIDModel):
    """Written by the workers of the host alone. Unit: cores, that is CPU seconds per second."""

    name = models.CharField(max_length=128, unique=True)
    cores = models.FloatField(default=0, help_text="Cores that FFmpegs may use.")
    used = models.FloatField(default=0, help_text="Cores that its FFmpegs use, measured.")
    cost_factor = models.FloatField(
        default=1.0, help_text="Measured CPU of its ladders, divided by what was reckoned."
    )
    broadcasts = models.PositiveIntegerField(default=0)
    trouble = models.CharField(
        max_length=255, blank=True, default="", help_text="Why nothing is delivered from here."
    )
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
