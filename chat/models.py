"""Chat messages: the record; what is shown live was stored first."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat import events
from chat.text import MAX_TEXT
from streams.models import Stream
from streams.models.base import UUIDModel

HISTORY = 50


class Message(UUIDModel):
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="chat_messages",
        help_text="Empty: somebody without an account.",
    )
    # As long as a username may be.
    name = models.CharField(max_length=150)
    text = models.CharField(max_length=MAX_TEXT)
    created_at = models.DateTimeField("time", default=timezone.now)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=("stream", "-created_at")),
            models.Index(fields=("-created_at",)),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:40]}"

    @classmethod
    def recent(cls, stream_id: UUID, since: datetime | None = None) -> "list[Message]":
        """The stream's last messages, oldest first."""
        messages = cls.objects.filter(stream_id=stream_id)
        if since is not None:
            messages = messages.filter(created_at__gte=since)
        return list(reversed(messages.order_by("-created_at")[:HISTORY]))

    def as_event(self) -> events.Event:
        return events.message(
            id=self.pk.hex,
            name=self.name,
            account=self.author_id is not None,
            text=self.text,
            at=self.created_at.isoformat(),
        )
