"""Guesses: what a publisher will send, told from what was sent before it.

An FFmpeg started for a guess is there before the publisher and gets its first key frame; one that
waits until the source can be described has to wait for the next, up to 8 s with OBS as installed.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.renditions import Rendition
from streams.ladder.source import Audio, Source, Video, restored


@dataclasses.dataclass(frozen=True)
class Guess:
    """`key_frame_distance`: the longest one in seconds; None: not known."""

    source: Source
    key_frame_distance: float | None = None


# What an adaptive run is made for, when nothing is known.
UNKNOWN = Source(Video("h264", 1920, 1080, 30.0), Audio("aac", 48_000, 2))


def recall(record: Mapping[str, Any]) -> Guess | None:
    """The source of an earlier broadcast; None when there is none in the record."""
    try:
        source = restored(record)
    except TypeError:  # written by another version
        return None
    if source.video is None and source.audio is None:
        return None
    return Guess(source, record.get("key_frame_distance"))


def guess(records: Iterable[Mapping[str, Any]]) -> Guess | None:
    """From the sources of earlier broadcasts, the likeliest first."""
    return next(filter(None, map(recall, records)), None)


def holds(guessed: Source, real: Source, ladder: Callable[[Source], Sequence[Rendition]]) -> bool:
    """Whether a run made for the guess is the one that would be made for the real source."""
    if real.video is not None and real.video.codec != "h264":
        return False  # the ingest does not pass it on
    return _command(guessed, ladder) == _command(real, ladder)


def _command(source: Source, ladder: Callable[[Source], Sequence[Rendition]]) -> list[str]:
    return ffmpeg_arguments(source, ladder(source), input_url="rtmp:", folder=Path())


def turned_out(
    adaptive: Sequence[Rendition], wanted: Sequence[Rendition]
) -> tuple[Rendition, ...] | None:
    """The renditions of an adaptive run, now that the source is known; None: it lacks a wanted one.

    The copied one keeps the name that it was given before its size was known. A source too small
    for any other gets the lowest all the same, for it may turn out that it cannot be cut.
    """
    made = {rendition.name: rendition for rendition in adaptive[1:]}
    copied, *encoded = wanted
    if not encoded and made:
        encoded = [_as_small_as(copied, adaptive[-1])]
    found = [(adaptive[0], dataclasses.replace(copied, name=adaptive[0].name))]
    found += [(made[want.name], want) for want in encoded if want.name in made]
    if len(found) < len(wanted) or any(_way(made) != _way(want) for made, want in found):
        return None
    return tuple(want for _, want in found)


def _as_small_as(copied: Rendition, lowest: Rendition) -> Rendition:
    width, height = (size // 2 * 2 for size in (copied.width, copied.height))
    return dataclasses.replace(
        lowest, width=width, height=height, fps=copied.fps, audio=copied.audio
    )


def _way(rendition: Rendition) -> tuple[object, ...]:
    """How it is made, whatever its size and rate; sound may turn out to be missing."""
    sound = rendition.audio or "copy"
    return rendition.video, rendition.video_bitrate, sound, rendition.max_fps
