"""Rungs: what a profile allows, before the source is known. Rates in bits per second."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """`height` counts the lines of the shorter side; `max_fps` None keeps the source's rate."""

    height: int
    video_bitrate: int
    audio_bitrate: int = 128_000
    max_fps: int | None = None


DEFAULT_RUNGS = (
    Rung(1080, 5_000_000),
    Rung(720, 2_800_000),
    Rung(480, 1_200_000),
    Rung(360, 700_000),
)
