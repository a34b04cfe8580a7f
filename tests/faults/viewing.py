"""A viewing: what one viewer is offered, playlist by playlist, and what was wrong with it. Pure."""

from dataclasses import dataclass, field

from tests.acceptance.playlist import Media, Segment

# As hls.js has it in streams/front/hls-config.js: so many target durations behind the live edge.
LIVE_SYNC_COUNT = 3
# FFmpeg dates segments to the millisecond, from timestamps of a millisecond each.
DATE_TOLERANCE = 0.25


@dataclass
class Viewing:
    """Follows a media playlist as RFC 8216 section 6.3.4 tells a player to."""

    regressions: list[str] = field(default_factory=list)  # of the two sequence numbers
    rewritten: list[str] = field(default_factory=list)  # a number that names another segment now
    discontinuities: int = 0
    lost: float = 0.0  # seconds of media that no segment held, or that left before they were loaded
    ended: bool = False
    _last: Media | None = None
    _known: dict[int, str] = field(default_factory=dict)
    _next: int | None = None
    _shown: Segment | None = None

    def see(self, playlist: Media) -> list[Segment]:
        """The segments of this reload that are to be loaded now."""
        self._compare(playlist)
        self._last = playlist
        self.ended = playlist.ended
        if not playlist.segments:
            return []
        if self._next is None:
            self._next = _first(playlist)
        elif playlist.sequence > self._next:
            # They slid out of the window; a player goes on near the live edge.
            self._next = _first(playlist)
        due = [segment for segment in playlist.segments if segment.number >= self._next]
        for segment in due:
            self._account(segment)
        self._next = max(self._next, playlist.newest + 1)
        return due

    def _compare(self, playlist: Media) -> None:
        last = self._last
        if last is not None:
            for what, before, after in (
                ("MEDIA-SEQUENCE", last.sequence, playlist.sequence),
                (
                    "DISCONTINUITY-SEQUENCE",
                    last.discontinuity_sequence,
                    playlist.discontinuity_sequence,
                ),
                ("newest segment", last.newest, playlist.newest),
            ):
                if after < before:
                    self.regressions.append(f"{what} {before} -> {after}")
        for segment in playlist.segments:
            if self._known.setdefault(segment.number, segment.path) != segment.path:
                self.rewritten.append(f"{self._known[segment.number]} -> {segment.path}")

    def _account(self, segment: Segment) -> None:
        self.discontinuities += segment.discontinuity and self._shown is not None
        self.lost += _gap(self._shown, segment)
        self._shown = segment


def _first(playlist: Media) -> int:
    """The number of the segment in which a player that comes now begins."""
    wanted, behind = LIVE_SYNC_COUNT * playlist.target, 0.0
    for segment in reversed(playlist.segments):
        behind += segment.duration
        if behind >= wanted:
            return segment.number
    return playlist.sequence


def _gap(before: Segment | None, after: Segment) -> float:
    """Seconds between the end of one and the begin of the other, by their dates."""
    if before is None or before.at is None or after.at is None:
        return 0.0
    gap = (after.at - before.at).total_seconds() - before.duration
    return gap if gap > DATE_TOLERANCE else 0.0
