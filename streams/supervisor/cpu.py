"""CPU: how many cores a run uses, adopted or not, from /proc."""

import os
from pathlib import Path

from streams.supervisor.progress import SpeedMeter

TICKS = os.sysconf("SC_CLK_TCK")
# Twenty seconds are looked back at; a few looks within them are enough.
LOOK_EVERY = 4.0


def cpu_seconds(pid: int) -> float | None:
    """User and system time of all its threads so far; None: there is no such process."""
    try:
        # The name, in brackets, may itself hold brackets and spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS


class CpuMeter:
    """CPU seconds per second over the last 20 s: a speed, too."""

    def __init__(self) -> None:
        self._meter = SpeedMeter()
        self._looked_at = float("-inf")

    def look(self, now: float, pid: int) -> None:
        """Cheap enough for every round."""
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        seconds = cpu_seconds(pid)
        if seconds is not None:
            self._meter.add(now, seconds)

    @property
    def cores(self) -> float | None:
        """None until it has been looked at for 20 s."""
        return self._meter.settled_speed
