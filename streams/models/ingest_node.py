"""Ingest nodes: the nginx-rtmps that told of themselves, and where they are reached."""

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel


class IngestNode(UUIDModel):
    """Written by what the node says with each hook, so a new one is configured on its host only."""

    name = models.CharField(max_length=64, unique=True)
    control_url = models.CharField(max_length=255, help_text="Its /stat and /control.")
    pull_url = models.CharField(max_length=255, help_text="Where FFmpegs get its streams from.")
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
