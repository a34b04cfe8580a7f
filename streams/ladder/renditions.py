"""Renditions: one quality of a broadcast each, chosen from what the source is and may become."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from streams.ladder.rungs import DEFAULT_RUNGS, Rung
from streams.ladder.source import Audio, Source, Video

# An encoded top this little taller than the next rung would cost a second encode for nothing.
WORTH_A_RUNG = 1.1
# /stat rounds the frame rate to a whole number.
RATE_TOLERANCE = 1.02


@dataclass(frozen=True)
class Rendition:
    """Rates in bits per second. `video` and `audio` None: not in this rendition. `fps` None:
    unknown. `max_fps` is set only where frames have to be left out. `bandwidth` is the plan for
    picture and sound together, None for a copy, whose rate is the publisher's."""

    name: str
    width: int
    height: int
    fps: float | None
    video: Literal["copy", "x264"] | None
    video_bitrate: int | None
    audio: Literal["copy", "aac"] | None
    audio_bitrate: int | None
    max_fps: int | None
    bandwidth: int | None

    def entry(self) -> dict[str, Any]:
        """The rendition as the run folder's run.json holds it."""
        return {
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "bandwidth": self.bandwidth,
            "video": self.video is not None,
            "audio": self.audio is not None,
        }


def choose(source: Source, rungs: Sequence[Rung], *, allow_copy: bool) -> tuple[Rendition, ...]:
    """The ladder, best first; never above the source's size or frame rate.

    An H.264 source that browsers decode may be its own top rendition (`allow_copy`); a source
    below the lowest rung gets exactly one. No rungs means DEFAULT_RUNGS.
    """
    steps = highest_first(rungs)
    if source.video is None or not (source.video.width and source.video.height):
        return (_sound_only(source.audio, steps[0]),)
    video, audio = source.video, source.audio
    if allow_copy and video.codec == "h264" and video.playable:
        below = [rung for rung in steps if rung.height < video.short_side]
        return _copied(video, audio, steps[0]), *(_encoded(video, audio, rung) for rung in below)
    top = top_rung(video.short_side, steps)
    below = [rung for rung in steps if rung.height * WORTH_A_RUNG < top.height]
    return tuple(_encoded(video, audio, rung) for rung in (top, *below))


def highest_first(rungs: Sequence[Rung]) -> list[Rung]:
    return sorted(rungs or DEFAULT_RUNGS, key=lambda rung: rung.height, reverse=True)


def top_rung(short_side: int, steps: Sequence[Rung]) -> Rung:
    """The highest rung, or one made for a smaller source, its rate between its neighbours'."""
    if short_side >= steps[0].height:
        return steps[0]
    upper = min((rung for rung in steps if rung.height > short_side), key=lambda rung: rung.height)
    lower = next((rung for rung in steps if rung.height <= short_side), None)
    if lower and lower.height == short_side:
        return lower
    base, rate = (lower.height, lower.video_bitrate) if lower else (0, 0)
    share = (short_side - base) / (upper.height - base)
    return Rung(
        height=short_side,
        video_bitrate=round(rate + share * (upper.video_bitrate - rate)),
        audio_bitrate=upper.audio_bitrate,
        max_fps=upper.max_fps,
    )


def _copied(video: Video, audio: Audio | None, rung: Rung) -> Rendition:
    return Rendition(
        name=f"{video.short_side}p",
        width=video.width,
        height=video.height,
        fps=video.fps,
        video="copy",
        video_bitrate=None,
        audio=_sound(audio),
        audio_bitrate=_sound_bitrate(audio, rung),
        max_fps=None,
        bandwidth=None,
    )


def _encoded(video: Video, audio: Audio | None, rung: Rung) -> Rendition:
    short = max(2, rung.height // 2 * 2)
    long = max(2, round(max(video.width, video.height) * short / video.short_side / 2) * 2)
    width, height = (long, short) if video.width >= video.height else (short, long)
    capped = rung.max_fps if _too_fast(video.fps, rung.max_fps) else None
    return Rendition(
        name=f"{short}p",
        width=width,
        height=height,
        fps=float(capped) if capped and video.fps else video.fps,
        video="x264",
        video_bitrate=rung.video_bitrate,
        audio=_sound(audio),
        audio_bitrate=_sound_bitrate(audio, rung),
        max_fps=capped,
        bandwidth=rung.video_bitrate + (rung.audio_bitrate if audio else 0),
    )


def _too_fast(fps: float | None, limit: int | None) -> bool:
    return limit is not None and (fps is None or fps > limit * RATE_TOLERANCE)


def _sound_only(audio: Audio | None, rung: Rung) -> Rendition:
    return Rendition(
        name="audio",
        width=0,
        height=0,
        fps=None,
        video=None,
        video_bitrate=None,
        audio=_sound(audio),
        audio_bitrate=_sound_bitrate(audio, rung),
        max_fps=None,
        bandwidth=rung.audio_bitrate if audio else None,
    )


def _sound(audio: Audio | None) -> Literal["copy", "aac"] | None:
    if audio is None:
        return None
    return "copy" if audio.codec == "aac" else "aac"


def _sound_bitrate(audio: Audio | None, rung: Rung) -> int | None:
    return rung.audio_bitrate if _sound(audio) == "aac" else None
