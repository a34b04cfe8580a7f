"""Sources: what a publisher sends, as nginx-rtmp's /stat or ffprobe tell it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Video:
    """`codec` in lower case as FFmpeg names it (h264, hevc, av1…), empty while only announced;
    `width` and `height` 0 and `fps` None when unknown."""

    codec: str
    width: int
    height: int
    fps: float | None

    @property
    def known(self) -> bool:
        return bool(self.codec and self.width and self.height and self.fps)

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)


@dataclass(frozen=True)
class Audio:
    """`sample_rate` in hertz, 0 when unknown."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Source:
    video: Video | None
    audio: Audio | None

    @property
    def complete(self) -> bool:
        """Whether a ladder can be chosen without asking ffprobe. A picture that is announced but
        whose codec, size or frame rate is unknown makes it incomplete; no picture does not."""
        if self.video is None:
            return self.audio is not None
        return self.video.known
