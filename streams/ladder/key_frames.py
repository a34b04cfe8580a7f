"""Key frames of a source, as the FFmpeg of a run notes them in the run's first minute."""

import re
from itertools import pairwise

KEY_FRAMES_FILE = "keyframes.txt"
KEY_FRAMES_NOTED = 60  # seconds
# FFmpeg's framecrc: stream, decode time, presentation time, …
LINE = re.compile(r"^0, *-?\d+, *(-?\d+),.*\n", re.M)
CLOCK = re.compile(r"^#tb 0: (\d+)/(\d+)$", re.M)


def times(noted: str) -> list[float]:
    """Seconds; a line that is still being written is left out."""
    clock = CLOCK.search(noted)
    if clock is None:
        return []
    tick = int(clock[1]) / int(clock[2])
    return [int(time) * tick for time in LINE.findall(noted)]


def longest_distance(noted: str) -> float | None:
    """Seconds between two key frames; None before the second one."""
    return max((after - before for before, after in pairwise(times(noted))), default=None)
