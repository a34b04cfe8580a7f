"""Sources: what a publisher sends, as nginx-rtmp's /stat or ffprobe tell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The profiles of H.264 that every browser decodes, as /stat and ffprobe name them; the others have
# more colour or depth than browsers take.
BROWSER_PROFILES = frozenset({"baseline", "constrained baseline", "main", "high"})


def in_every_browser(profile: str) -> bool:
    return profile.lower() in BROWSER_PROFILES


def protocols(url: str) -> str:
    """The only protocols FFmpeg needs to read this address."""
    return "rtmp,tcp" if url.startswith("rtmp:") else "file"


@dataclass(frozen=True)
class Video:
    """`codec` in lower case as FFmpeg names it (h264, hevc, av1…), empty while only announced;
    `width` and `height` 0 and `fps` None when unknown; `playable`: browsers decode its profile."""

    codec: str
    width: int
    height: int
    fps: float | None
    playable: bool = True

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


def restored(record: Mapping[str, Any]) -> Source:
    """From what `dataclasses.asdict` made of one."""
    video, audio = record.get("video"), record.get("audio")
    return Source(Video(**video) if video else None, Audio(**audio) if audio else None)
