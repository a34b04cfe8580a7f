"""How often somebody may act: token buckets. Pure; the clock is passed in.

The buckets live in one process's memory: with several web processes a chatter who is spread over
them may say as many times more.
"""

from dataclasses import dataclass

SWEEP_AT = 4096


@dataclass(frozen=True)
class Rate:
    """A bucket's size in actions, and how many actions come back per second."""

    burst: int
    per_second: float


VIEWER = Rate(burst=5, per_second=0.5)
# Several people may share an address; one person may have many names.
ADDRESS = Rate(burst=20, per_second=2.0)
# Any frame of one socket, pings and refused ones too; beyond that it is an attack.
FRAMES = Rate(burst=60, per_second=10.0)


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

    def _sweep(self, now: float) -> None:
        self._full_at = {key: full for key, full in self._full_at.items() if full > now}
        # Doubling keeps the cost of sweeping constant per action.
        self._sweep_at = max(SWEEP_AT, 2 * len(self._full_at))


class Limits:
    """Both limits of a chatter: a new session does not help against the address's, nor a new
    address against the viewer's."""

    def __init__(self, viewer: Rate = VIEWER, address: Rate = ADDRESS) -> None:
        self._viewers = Buckets(viewer)
        self._addresses = Buckets(address)

    def admit(self, viewer: str, address: str, now: float) -> float:
        """Count an action and return 0.0, or count nothing and return the seconds to wait."""
        wait = max(self._viewers.wait(viewer, now), self._addresses.wait(address, now))
        if wait == 0.0:
            self._viewers.take(viewer, now)
            self._addresses.take(address, now)
        return wait
