"""Broadcasts: one time on air each, from the first publish to the end."""

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel
from streams.models.stream import Stream
from streams.supervisor.states import BroadcastState, EndReason, Wanted


class Broadcast(UUIDModel):
    """The webhook, the admin and the API write `wanted` and `ingest_*`; the supervisor that holds
    the lease writes `state` and what follows from it. Every change is one conditional update."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="broadcasts")
    # The stream's id while the broadcast is open, NULL afterwards: unique, so that two publishes
    # at the same moment open one broadcast, on databases without conditional constraints too.
    open_key = models.UUIDField(null=True, unique=True, editable=False)
    wanted = models.CharField(
        max_length=8,
        choices=[(w.value, w.value) for w in Wanted],
        default=Wanted.ON,
        editable=False,
    )
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in BroadcastState],
        default=BroadcastState.STARTING,
        editable=False,
    )
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    end_reason = models.CharField(
        max_length=24, choices=[(r.value, r.value) for r in EndReason], blank=True, editable=False
    )

    end_note = models.CharField(
        max_length=255,
        blank=True,
        editable=False,
        help_text="What the streamer should know or change.",
    )

    # The publisher's connection (design: an ingest is never identified by its name alone).
    ingest_node = models.CharField(max_length=64, blank=True, editable=False)
    ingest_name = models.CharField(max_length=128, blank=True, editable=False)
    ingest_client = models.CharField(max_length=24, blank=True, editable=False)
    ingest_address = models.CharField(max_length=64, blank=True, editable=False)
    ingest_since = models.DateTimeField(null=True, editable=False)
    publisher_gone_at = models.DateTimeField(null=True, editable=False)

    # The lease: who may drive a run, until when, and how often it changed hands.
    holder = models.CharField(max_length=128, blank=True, editable=False)
    lease_until = models.DateTimeField(default=timezone.now, editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)

    # What the supervisor reports.
    last_segment_at = models.DateTimeField(null=True, editable=False)
    source = models.JSONField(default=dict, editable=False)
    renditions = models.JSONField(default=list, editable=False)
    restarts = models.PositiveIntegerField(default=0, editable=False)
    # Set once the source's key frames turned out too far apart to be cut as they are.
    copy_refused = models.BooleanField(default=False, editable=False)
    shed = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="So many of the dearest encoded renditions are left out, because FFmpeg was "
        "slower than real time.",
    )
    copy_only = models.BooleanField(
        default=False, editable=False, help_text="No host had room for encoded renditions."
    )
    ladder_note = models.CharField(
        max_length=255,
        blank=True,
        editable=False,
        help_text="Why the ladder is shorter than its profile; empty: it is not.",
    )
    findings = models.JSONField(
        default=list, editable=False, help_text="What could be better about the source."
    )
    crashes = models.PositiveIntegerField(
        default=0, editable=False, help_text="Runs in a row that ended within a minute."
    )
    # The internal name of the publisher after whose crashes no further run was tried; emptied by
    # hand to try again, and of no meaning once another publisher has come.
    gave_up_on = models.CharField(max_length=128, blank=True, editable=False)

    class Meta:
        ordering = ("-started_at",)
        indexes = [
            models.Index(fields=("stream", "-started_at")),
            models.Index(fields=("open_key", "-started_at")),
            # The admin adds the key to every order that is not a total one.
            models.Index(fields=("-started_at", "-id")),
            models.Index(fields=("state", "-started_at", "-id")),
            models.Index(fields=("end_reason", "-started_at", "-id")),
        ]

    @classmethod
    def briefly(cls) -> models.QuerySet["Broadcast"]:
        """Without what is large and seldom asked for: parsing it is most of reading a row."""
        return cls.objects.defer("source", "renditions", "findings")

    def closing(self, reason: EndReason, now: datetime) -> dict[str, Any]:
        """The columns of a broadcast that is over, for one conditional update."""
        gave_up = bool(self.gave_up_on) and self.gave_up_on == self.ingest_name
        failed = reason is EndReason.INPUT_UNREADABLE or gave_up
        return {
            "state": BroadcastState.FAILED if failed else BroadcastState.ENDED,
            "wanted": Wanted.OFF,
            "end_reason": reason,
            "ended_at": now,
            "open_key": None,
        }

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}"
