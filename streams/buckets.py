"""Token buckets: how often somebody may do something. Pure; the clock is passed in.

They live in one process's memory: spread over several web processes one may do as many times more.
The edge counts for all of them together (deploy/nginx/edge.conf.template).
"""

from dataclasses import dataclass

SWEEP_AT = 4096


@dataclass(frozen=True)
class Rate:
    """A bucket's size in actions, and how many actions come back per second."""

    burst: int
    per_second: float


class Buckets:
    """The buckets of one rate by key. Times are seconds of one monotonic clock.

    A bucket is kept as the moment when it will be full again, so a full one needs no memory.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at: dict[str, float] = {}
        self._sweep_at = SWEEP_AT

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: str, now: float) -> float:
        """Seconds until the key may act; 0.0: now."""
        missing = self._full_at.get(key, now) - now
        return max(0.0, missing - (self._rate.burst - 1) / self._rate.per_second)

    def take(self, key: str, now: float) -> None:
        """Count one action of the key, whether or not it had to wait."""
        self._full_at[key] = max(self._full_at.get(key, now), now) + 1 / self._rate.per_second
        if len(self._full_at) > self._sweep_at:
            self._sweep(now)

    def admit(self, key: str, now: float) -> float:
        """Count one action of the key and return 0.0, or nothing and the seconds to wait."""
        wait = self.wait(key, now)
        if wait == 0.0:
            self.take(key, now)
        return wait

    def _sweep(self, now: float) -> None:
        self._full_at = {key: full for key, full in self._full_at.items() if full > now}
        # Doubling keeps the cost of sweeping constant per action.
        self._sweep_at = max(SWEEP_AT, 2 * len(self._full_at))
