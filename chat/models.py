"""Chat messages: the record; what is shown live was stored first."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat import events
from chat.text import MAX_TEXT
from streams.models import Stream
from streams.models.base import UUIDModel

HISTORY = 50
# As many as may have been missed while Redis was away; who missed more has to load the page again.
MISSED = 200

_last = datetime.min.replace(tzinfo=UTC)
_lock = threading.Lock()


def moment() -> datetime:
    """Now, but later than the moment before it, so that those said here keep their order.

    In whole milliseconds: MongoDB keeps no more, and the history tells the same times as before.
    """
    global _last
    with _lock:
        now = timezone.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        following = _last + timedelta(milliseconds=1)
        # Far ahead only after the clock was set back.
        _last = following if now < following < now + timedelta(seconds=1) else now
        return _last


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
    created_at = models.DateTimeField("time", default=moment)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=("stream", "-created_at")),
            # The admin adds the key to every order that is not a total one.
            models.Index(fields=("-created_at", "-id")),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:40]}"

    @classmethod
    def recent(cls, stream_id: UUID) -> "list[Message]":
        """The stream's last messages, oldest first."""
        messages = cls.objects.filter(stream_id=stream_id)
        return list(reversed(messages.order_by("-created_at")[:HISTORY]))

    @classmethod
    def since(cls, stream_id: UUID, moment: datetime) -> "list[Message]":
        """What was said since then, as far as it can have been missed; oldest first."""
        messages = cls.objects.filter(stream_id=stream_id, created_at__gte=moment)
        return list(reversed(messages.order_by("-created_at")[:MISSED]))

    def as_event(self) -> events.Event:
        return events.message(
            id=self.pk.hex,
            name=self.name,
            account=self.author_id is not None,
            text=self.text,
            at=self.created_at.isoformat(),
        )
