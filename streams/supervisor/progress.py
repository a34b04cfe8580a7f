"""Progress: what FFmpeg's `-progress` file says. Only moving media time is progress."""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 4096  # a block is about 300 bytes
SPEED_WINDOW = 20.0
# Over a longer gap nothing is known: two meters must not compare different spans.
LONGEST_GAP = 6.0
# Drops further apart than this are not one and the same trouble.
DROPS_APART = 5.0
VERDICT = re.compile(r"^progress=(\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """The newest whole block. `out_time` is media time in seconds, `fps` an average by FFmpeg."""

    out_time: float
    fps: float
    ended: bool


def parse(text: str) -> Progress | None:
    """Read the last whole block of key=value lines; None when there is none yet."""
    blocks = VERDICT.split(text)  # block, verdict, block, verdict, …, what is still being written
    if len(blocks) < 3:
        return None
    fields = dict(line.split("=", 1) for line in blocks[-3].splitlines() if "=" in line)
    return Progress(
        out_time=max(0.0, _number(fields.get("out_time_us", "")) / 1e6),
        fps=_number(fields.get("fps", "")),
        ended=blocks[-2] == "end",
    )


def read(path: Path) -> Progress | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return parse(file.read().decode("ascii", "replace"))
    except OSError:
        return None


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError:
        return 0.0


class SpeedMeter:
    """Media seconds per second over the last 20 s; FFmpeg's own figure is since its start."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._began_at: float | None = None
        self.moved_at: float | None = None

    def add(self, now: float, out_time: float) -> None:
        if out_time <= 0:  # nothing written yet; a run's clock need not begin at zero
            return
        if self._began_at is None:
            self._began_at = out_time
        if not self._samples or out_time > self._samples[-1][1]:
            self.moved_at = now
        if self._samples and now - self._samples[-1][0] > LONGEST_GAP:
            self._samples.clear()
        self._samples.append((now, out_time))
        # The newest that is as old as the window stays: looks may be seconds apart.
        while len(self._samples) > 1 and now - self._samples[1][0] >= SPEED_WINDOW:
            self._samples.popleft()

    @property
    def written(self) -> float:
        """Media seconds since the first look."""
        return self._samples[-1][1] - self._began_at if self._began_at is not None else 0.0

    @property
    def speed(self) -> float | None:
        if len(self._samples) < 2:
            return None
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if now - then >= 1 else None

    @property
    def settled_speed(self) -> float | None:
        """The speed once it is known over the whole window."""
        full = bool(self._samples) and self._samples[-1][0] - self._samples[0][0] > SPEED_WINDOW - 2
        return self.speed if full else None


class DropMeter:
    """Since when a counter of dropped frames keeps rising."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._began_at = 0.0
        self._last_at: float | None = None

    def add(self, now: float, count: int) -> None:
        if self._count is not None and count > self._count:
            if self._last_at is None or now - self._last_at > DROPS_APART:
                self._began_at = now
            self._last_at = now
        self._count = count

    def rising_for(self, now: float) -> float:
        """Seconds; 0 when it no longer rises."""
        if self._last_at is None or now - self._last_at > DROPS_APART:
            return 0.0
        return now - self._began_at
