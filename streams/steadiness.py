"""Steadiness: how long the record has answered without a break, as one worker process sees it.

While it was away nobody could renew a lease. Once it is back, the holders on other hosts get time
to do so before their FFmpegs are taken for lost.
"""

import time
from collections.abc import Callable

# Seconds. A board asks every second and renews when it is due; all wake up when the record is back.
ENOUGH = 8.0
# Who waits so long for one answer waits for a record that was away.
SLOW = 3.0


class Steadiness:
    """`clock` in seconds. What nobody asked for long may have been away as well. Of a worker
    without a foreman, who asks, nothing is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_watched = False
        self._since: float | None = None
        self._answered_at = float("-inf")

    def now(self) -> float:
        return self._clock()

    def answered(self, asked_at: float) -> None:
        """The record did, to what it was asked then."""
        now, self._is_watched = self._clock(), True
        late = now - asked_at > SLOW or now - self._answered_at > ENOUGH
        if self._since is None or late:
            self._since = now
        self._answered_at = now

    def failed(self) -> None:
        """The record is away, or nothing is known of it yet."""
        self._is_watched, self._since = True, None

    @property
    def is_enough(self) -> bool:
        """Whether a lease that has run out was given up rather than kept from being renewed."""
        if not self._is_watched:
            return True
        now = self._clock()
        # Whoever asks may be waiting for the answer just now.
        fresh = now - self._answered_at < ENOUGH
        return fresh and self._since is not None and now - self._since >= ENOUGH
