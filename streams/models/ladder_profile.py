"""Ladder profiles: the renditions an admin allows; a broadcast's ladder is chosen from them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction

from streams.ladder.rungs import DEFAULT_RUNGS, Rung
from streams.models.base import UUIDModel

DEFAULT_NAME = "Standard"


def validate_even(height: int) -> None:
    """H.264 with 4:2:0 colour has even sizes only."""
    if height % 2:
        raise ValidationError("Use an even number of lines.")


class LadderProfile(UUIDModel):
    name = models.CharField(max_length=64, unique=True)
    allow_copy = models.BooleanField(
        "pass the source through",
        default=True,
        help_text="The top rendition is the publisher's own H.264, untouched, when its key frames "
        "allow it. Off: every rendition is encoded.",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def default(cls) -> "LadderProfile":
        """The profile new streams use; made on first call with 1080/720/480/360."""
        found = cls.objects.filter(name=DEFAULT_NAME).first()
        if found is not None:
            return found
        profile = cls(name=DEFAULT_NAME)
        renditions = [LadderRendition.from_rung(profile, rung) for rung in DEFAULT_RUNGS]
        try:
            # The renditions first, as MongoDB has no transactions: nobody sees half a profile.
            with transaction.atomic():
                LadderRendition.objects.bulk_create(renditions)
                profile.save(force_insert=True)
        except IntegrityError:  # somebody made it in this very moment
            LadderRendition.objects.filter(profile_id=profile.pk).delete()
            return cls.objects.get(name=DEFAULT_NAME)
        return profile

    def rungs(self) -> list[Rung]:
        return [rendition.rung() for rendition in self.renditions.all()]


def default_profile_id() -> Any:
    return LadderProfile.default().pk


class LadderRendition(UUIDModel):
    """One rung of a profile. Rates in bits per second."""

    profile = models.ForeignKey(LadderProfile, on_delete=models.CASCADE, related_name="renditions")
    height = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(144), MaxValueValidator(4320), validate_even],
        help_text="Lines of the shorter side. Smaller sources do not get this rendition.",
    )
    video_bitrate = models.PositiveIntegerField(
        validators=[MinValueValidator(50_000), MaxValueValidator(100_000_000)],
        help_text="Bits per second.",
    )
    audio_bitrate = models.PositiveIntegerField(
        default=128_000,
        validators=[MinValueValidator(16_000), MaxValueValidator(512_000)],
        help_text="Bits per second; used only when the source's audio is not AAC.",
    )
    max_fps = models.PositiveSmallIntegerField(
        "frame rate limit",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text="Frames per second; empty: the source's own.",
    )

    class Meta:
        ordering = ("-height",)
        constraints = [
            models.UniqueConstraint(fields=("profile", "height"), name="one_rendition_per_height")
        ]

    def __str__(self) -> str:
        return f"{self.height}p, {self.video_bitrate / 1000:.0f} kbit/s"

    @classmethod
    def from_rung(cls, profile: LadderProfile, rung: Rung) -> "LadderRendition":
        return cls(
            profile=profile,
            height=rung.height,
            video_bitrate=rung.video_bitrate,
            audio_bitrate=rung.audio_bitrate,
            max_fps=rung.max_fps,
        )

    def rung(self) -> Rung:
        return Rung(self.height, self.video_bitrate, self.audio_bitrate, self.max_fps)
