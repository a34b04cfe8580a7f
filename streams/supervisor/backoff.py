"""Back-off: how long to wait before the next run."""

from collections.abc import Callable

from streams.supervisor.states import EndReason

# The first one loses no time: a key frame that it misses is two seconds for viewers.
AT_ONCE = 0.1
FIRST = 0.5
CAP = 30.0
HEALTHY_AFTER = 60.0
# A source that turns out otherwise is planned anew at once; one that keeps changing is not.
REPLANS_AT_ONCE = 3
# Nobody's fault: tried again soon, and not counted towards a crash loop.
INNOCENT_DELAY = {
    EndReason.INPUT_NOT_READY: 1.0,
    EndReason.PUBLISHER_GONE: 0.5,
    EndReason.REQUESTED: 0.0,
    EndReason.SLOW: 0.0,
    EndReason.LOST: 0.0,
    # The collector frees what it can every few seconds; live goes on to the last.
    EndReason.DISK_FULL: 3.0,
}


class Backoff:
    """Exponential with jitter and a cap; forgotten after a run that lived a healthy minute."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0  # fast ones, in a row
        self._replans = 0  # the same

    def after(self, reason: EndReason, lived: float) -> float:
        """Seconds to wait after a run that ended for this reason, having lived so long."""
        if lived >= HEALTHY_AFTER:
            self.failures = self._replans = 0
        if reason is EndReason.REPLANNED:
            self._replans += 1
            more = self._replans - REPLANS_AT_ONCE
            return min(CAP, 2.0 ** min(more, 16)) if more > 0 else 0.0
        if reason in INNOCENT_DELAY:
            return INNOCENT_DELAY[reason]
        self.failures += 1
        full = min(CAP, FIRST * 2.0 ** min(self.failures - 2, 16)) if self.failures > 1 else AT_ONCE
        return full * (0.5 + 0.5 * self._random())
