"""Origins: the hosts to which segments are delivered, and how their disks are."""

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel


class Origin(UUIDModel):
    """Written by the keeper of the host alone."""

    name = models.CharField(max_length=64, unique=True)
    disk = models.CharField(max_length=255, help_text="How much room there is, and what follows.")
    short = models.BooleanField(default=False, help_text="Less than has to stay free.")
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
