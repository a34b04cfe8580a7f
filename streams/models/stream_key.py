"""Stream keys: what a streamer types into OBS. Only a digest is stored."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from streams.models.base import UUIDModel
from streams.models.stream import Stream
from streams.once import insert_once

ROTATION_OVERLAP = timedelta(hours=24)


def digest_of(key: str) -> str:
    """SHA-256 in hex. Keys have 192 random bits, so a slow password hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


class StreamKey(UUIDModel):
    """Several keys of a stream may be valid at once, so that a rotation cuts nobody off."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="keys")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=4, editable=False, help_text="The key's last characters.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at",)
        indexes = [models.Index(fields=("stream", "-created_at"))]

    def __str__(self) -> str:
        return f"…{self.hint}"

    @classmethod
    def issue(cls, stream: Stream) -> str:
        """Store a new key for the stream and return its text, which is shown this once only."""
        text = secrets.token_urlsafe(24)
        insert_once(cls(stream=stream, digest=digest_of(text), hint=text[-4:]))
        return text

    @classmethod
    def rotate(cls, stream: Stream, overlap: timedelta = ROTATION_OVERLAP) -> str:
        """Issue a new key; the older ones end after the overlap, or sooner if they would anyway."""
        end = timezone.now() + overlap
        older = list(cls.objects.filter(stream=stream).values_list("pk", flat=True))
        # First, so that the stream always has a key that does not end.
        text = cls.issue(stream)
        ends_later = Q(expires_at=None) | Q(expires_at__gt=end)
        cls.objects.filter(ends_later, pk__in=older).update(expires_at=end)
        return text

    @classmethod
    def find(cls, text: str, now: datetime) -> "StreamKey | None":
        """The valid key with this text, or None."""
        key = cls.objects.filter(digest=digest_of(text)).prefetch_related("stream").first()
        if key is None or (key.expires_at is not None and key.expires_at <= now):
            return None
        return key
