"""Playback: a player's buffer and clock. Pure; seconds, by a clock that is passed in."""

from dataclasses import dataclass


@dataclass
class Playback:
    """A second of media is consumed per second; with an empty buffer the picture stands still."""

    ahead: float = 0.0  # media in the buffer
    stalled: float = 0.0  # in all
    longest_stall: float = 0.0
    played: float = 0.0
    _dry: float = 0.0  # the stall that lasts
    _at: float | None = None  # of the last look; None before the first media

    @property
    def begun(self) -> bool:
        return self._at is not None

    def advance(self, now: float) -> None:
        """What became of the buffer since the last look."""
        if self._at is None:
            return
        wanted = now - self._at
        self._at = now
        shown = min(wanted, self.ahead)
        self.ahead -= shown
        self.played += shown
        if wanted > shown:
            self.stalled += wanted - shown
            self._dry += wanted - shown
            self.longest_stall = max(self.longest_stall, self._dry)

    def append(self, now: float, seconds: float) -> None:
        """Media has arrived. The first to arrive starts the clock, later media end a stall."""
        if self._at is None:
            self._at = now
        self.advance(now)
        self.ahead += seconds
        self._dry = 0.0
