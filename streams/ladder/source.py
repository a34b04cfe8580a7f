"""Sources: what a publisher sends, as nginx-rtmp's /stat or ffprobe tell it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Video:
    """`codec` in lower case as FFmpeg names it (h264, hevc, av1…); `fps` None when unknown."""

    codec: str
    width: int
    height: int
    fps: float | None


@dataclass(frozen=True)
class Audio:
    """`sample_rate` in hertz."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Source:
    video: Video | None
    audio: Audio | None
