"""The copied rendition on trial: whether its key frames are where the others have theirs.

It is for the first broadcast of a stream. Where the key frames are too far apart, viewers get the
encoded renditions at once, and a run that suits the source replaces this one right before a key
frame, so that players do not run dry meanwhile.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from streams.ladder.key_frames import KEY_FRAMES_FILE, KEY_FRAMES_NOTED, longest_distance
from streams.ladder.renditions import Rendition
from streams.origin import layout, segment_list

# The encoded ones wait so long for the copied one's first segment.
LATE_BY = 0.6
APART = 0.15
IN_LINE_AFTER = 5  # segments
# A new FFmpeg is there within this, in seconds before the key frame it needs.
DUE = (0.6, 1.2)
# A picture of which no second key frame came for so long has them farther apart than is of use.
NO_KEY_FRAME_FOR = 10.0


@dataclass(frozen=True)
class KeyFrames:
    noted: str
    newest_at: float  # epoch seconds

    @classmethod
    def of(cls, run: Path) -> "KeyFrames":
        path = run / KEY_FRAMES_FILE
        try:
            return cls(path.read_text(), path.stat().st_mtime)
        except OSError:  # none are noted of sound alone
            return cls("", 0.0)

    def distance(self, written: float) -> float | None:
        """The longest in seconds, when so many were written; None: not known yet."""
        known = longest_distance(self.noted)
        if known is None and self.noted and written > NO_KEY_FRAME_FOR:
            return NO_KEY_FRAME_FOR
        return known

    @property
    def too_rare(self) -> bool:
        """Whether there is no telling when the next one comes. A new run would have to wait for
        it; the one that is there goes on without it."""
        silent = time.time() - self.newest_at > KEY_FRAMES_NOTED
        return bool(self.noted) and longest_distance(self.noted) is None and silent

    @property
    def due(self) -> bool:
        """Whether a new run that is asked for now would be there just in time for the next one."""
        distance = longest_distance(self.noted)
        if not distance:
            return False
        wait = distance - (time.time() - self.newest_at) % distance
        return distance < DUE[1] or DUE[0] <= wait <= DUE[1]


class Trial:
    """`renditions`: the copied one first."""

    def __init__(self, renditions: tuple[Rendition, ...]) -> None:
        self._copied, *self._encoded = renditions
        self._ready_at: float | None = None
        self._apart = False
        self.hidden = False
        self.over = not self._encoded

    @property
    def without_copy(self) -> tuple[Rendition, ...]:
        return tuple(self._encoded)

    def look(self, run: Path) -> bool:
        """Whether the run is to be replaced, and now is the time for it."""
        if not self._encoded:
            return False
        copied = _durations(run, self._copied)
        encoded = [_durations(run, rendition) for rendition in self._encoded]
        if not self.hidden and not copied and all(encoded):
            now = time.monotonic()
            self._ready_at = self._ready_at or now
            self.hidden = now - self._ready_at >= LATE_BY
        self._apart = self._apart or any(
            abs(copied[number] - durations[number]) > APART
            for durations in encoded
            for number in copied.keys() & durations.keys()
        )
        in_line = not self.hidden and not self._apart and max(copied, default=0) > IN_LINE_AFTER
        self.over = in_line or KeyFrames.of(run).too_rare
        return (self.hidden or self._apart) and KeyFrames.of(run).due


def _durations(run: Path, rendition: Rendition) -> dict[int, float]:
    """Seconds by number, of the finished segments."""
    try:
        text = (run / rendition.name / layout.LIST_FILE).read_text()
    except OSError:
        return {}
    return {segment.number: segment.duration for segment in segment_list.parse(text)}
