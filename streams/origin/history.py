"""Histories: the runs of a broadcast, and which of their segments are public.

Public means: counted in MEDIA-SEQUENCE. A run's public segments end where the next run's begin,
whatever a stale writer still adds; the newest run's end with the last one all renditions have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from streams.origin.layout import lines
from streams.origin.segment_list import Segment


@dataclass(frozen=True)
class Rendition:
    """`bandwidth` in bits per second as planned, None for a copy; `fps` None when unknown."""

    name: str
    width: int
    height: int
    fps: float | None
    bandwidth: int | None
    segments: tuple[Segment, ...]

    @property
    def finished(self) -> int:
        return self.segments[-1].number + 1 if self.segments else 0

    def segment(self, number: int) -> Segment:
        return self.segments[number - self.segments[0].number]

    @cached_property
    def longest(self) -> int:
        """Seconds, the duration rounded as RFC 8216 4.3.3.1 compares it."""
        return max((int(segment.duration + 0.5) for segment in self.segments), default=0)


@dataclass(frozen=True)
class Run:
    """`renditions` best first; `names` are all that the broadcast has had so far; `tracks`: some
    of "video" and "audio"."""

    folder: str
    first_sequence: int
    discontinuity_sequence: int
    segment_seconds: int
    renditions: tuple[Rendition, ...]
    names: frozenset[str]
    tracks: frozenset[str]

    @property
    def finished(self) -> int:
        return min((rendition.finished for rendition in self.renditions), default=0)

    @property
    def target_duration(self) -> int:
        return max([self.segment_seconds, *(rendition.longest for rendition in self.renditions)])

    def rendition_for(self, name: str) -> Rendition:
        """The rendition itself, or the nearest lower one, or the nearest higher one."""
        wanted = lines(name)
        return min(
            self.renditions,
            key=lambda other: (lines(other.name) > wanted, abs(lines(other.name) - wanted)),
        )


@dataclass(frozen=True)
class Span:
    """Public segments of one run in the window: file numbers `start` to `stop` - 1."""

    run: Run
    start: int
    stop: int

    @property
    def sequence(self) -> int:
        return self.run.first_sequence + self.start

    @property
    def end(self) -> int:
        return self.run.first_sequence + self.stop


@dataclass(frozen=True)
class History:
    """`runs` oldest first; runs that lie before the window may be missing. No segment below the
    sequence number `floor` is public any more."""

    broadcast: str
    grace_seconds: float
    ended_at: datetime | None
    runs: tuple[Run, ...]
    floor: int = 0

    def counts(self) -> Iterator[tuple[Run, int]]:
        """Each run with the number of its public segments, newest first."""
        following: Run | None = None
        for run in reversed(self.runs):
            if following is None:
                yield run, run.finished
            else:
                yield run, following.first_sequence - run.first_sequence
            following = run

    def window(self, length: int) -> tuple[Span, ...]:
        """The newest `length` public segments that every rendition still has, oldest first.

        All have the same tracks: players settle on picture, sound or both with the first one.
        """
        spans: list[Span] = []
        for run, count in self.counts():
            if count <= 0:
                continue
            if spans and run.tracks != spans[0].run.tracks:
                break
            start = max((r.segments[0].number if r.segments else count) for r in run.renditions)
            start = max(start, count - length, self.floor - run.first_sequence)
            if start >= count or run.finished < count:
                break
            spans.append(Span(run, start, count))
            length -= count - start
            if start > 0 or length == 0:
                break
        return tuple(reversed(spans))
