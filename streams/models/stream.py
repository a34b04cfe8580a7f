"""Streams: rows of the registry. A stream exists whether or not it is on air."""

from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from streams.models.base import UUIDModel
from streams.models.ladder_profile import LadderProfile, default_profile_id
from streams.names import MAX_LENGTH, validate_name


class Visibility(models.TextChoices):
    PUBLIC = "public", "public: listed on the home page"
    UNLISTED = "unlisted", "unlisted: for those who know the address"


class Stream(UUIDModel):
    name = models.CharField(
        max_length=MAX_LENGTH,
        unique=True,
        validators=[validate_name],
        help_text="The address of the page: lower-case letters, digits, - and _.",
    )
    title = models.CharField(max_length=140, blank=True)
    description = models.TextField(max_length=5000, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="streams",
    )
    enabled = models.BooleanField(default=True, help_text="Off: nobody can publish to it.")
    visibility = models.CharField(
        max_length=16, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    ladder = models.ForeignKey(
        LadderProfile, on_delete=models.PROTECT, default=default_profile_id, related_name="streams"
    )
    takeover = models.BooleanField(
        default=False,
        help_text="A second publisher replaces the first. Off: the second is refused.",
    )
    grace_seconds = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(600)],
        help_text="How long a broadcast waits for a publisher that dropped.",
    )
    refused_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Publishers are refused until then (set when a broadcast is stopped by hand).",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        indexes = [
            models.Index(fields=("visibility", "name")),
            # MongoDB's unique one knows no order: it leaves out what is NULL.
            models.Index(fields=("name", "enabled")),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Its name is the address of what is on air, so it stays while something is."""
        stored = Stream.objects.filter(pk=self.pk).first()
        if stored is None or stored.name == self.name:
            return
        if stored.broadcasts.filter(open_key=self.pk).exists():
            raise ValidationError(
                {"name": "The stream is on air; rename it when the broadcast has ended."}
            )

    @classmethod
    def ids_of(cls, owner_id: UUID | None) -> list[UUID]:
        """Of the streams that are this user's. A list: MongoDB joins slowly, and before it
        filters."""
        return list(cls.objects.filter(owner=owner_id).values_list("pk", flat=True))

    @property
    def heading(self) -> str:
        return self.title or self.name
