"""Runs: one FFmpeg process each, working for a broadcast."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel
from streams.models.broadcast import Broadcast
from streams.supervisor.states import AT_WORK, EndReason, RunState


class Run(UUIDModel):
    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="1 for the broadcast's first run.")
    fence = models.PositiveIntegerField()
    host = models.CharField(max_length=128)
    pid = models.PositiveIntegerField(null=True)
    ingest_name = models.CharField(max_length=128)
    folder = models.CharField(max_length=255, blank=True)
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in RunState], default=RunState.STARTING
    )
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(
        max_length=24, choices=[(r.value, r.value) for r in EndReason], blank=True
    )
    exit_code = models.IntegerField(null=True, help_text="Negative: the signal that ended it.")
    renditions = models.JSONField(default=list)
    fps = models.FloatField(null=True)
    speed = models.FloatField(null=True, help_text="1.0 is real time.")
    cpu = models.FloatField(null=True, help_text="Cores in use.")
    first_sequence = models.PositiveIntegerField(
        default=0, help_text="The media sequence number of its first segment."
    )
    segments = models.PositiveIntegerField(default=0, help_text="Public segments, as last seen.")
    log_tail = models.TextField(blank=True)

    class Meta:
        ordering = ("-started_at",)
        indexes = [
            # The admin adds the key to every order that is not a total one.
            models.Index(fields=("-started_at", "-id")),
            models.Index(fields=("state", "-started_at", "-id")),
            models.Index(fields=("end_reason", "-started_at", "-id")),
        ]
        constraints = [
            # Two writers at once would make playlists of neither.
            models.UniqueConstraint(fields=("broadcast", "number"), name="one_run_per_number")
        ]

    @classmethod
    def settle(cls, broadcast: Broadcast, reason: EndReason, now: datetime) -> None:
        """Close the runs of a broadcast that nobody will watch any more."""
        rows = cls.objects.filter(broadcast=broadcast, state__in=AT_WORK)
        rows.update(**cls.closing(reason, now))

    @staticmethod
    def closing(reason: EndReason, now: datetime) -> dict[str, Any]:
        """The columns of a run that is over."""
        return {"state": RunState.ENDED, "ended_at": now, "end_reason": reason}

    @classmethod
    def at_work(cls, broadcasts: Sequence[Broadcast]) -> dict[UUID, "Run"]:
        """The run at work of each of these broadcasts that has one, by the broadcast's id."""
        runs = cls.objects.filter(broadcast__in=broadcasts, state__in=AT_WORK)
        return {run.broadcast_id: run for run in runs.order_by("number")}

    def __str__(self) -> str:
        return f"run {self.number}"
