"""The floor of a broadcast: no segment with a lower sequence number is ever listed again.

It is raised before files are deleted and never lowered, so playlists name no file that is gone, and
MEDIA-SEQUENCE never goes back, also when the window grows again.
"""

from collections.abc import Sequence
from pathlib import Path

from streams.origin import link
from streams.origin.history import Span

LINK = "floor"
# A player holds three target durations (RFC 8216 6.3.3); the fourth is for its late requests.
TARGET_DURATIONS = 4


def read(broadcast: Path) -> int:
    target = link.read(broadcast / LINK)
    return int(target) if target is not None and target.isdecimal() else 0


def age(broadcast: Path) -> float:
    """Seconds since the floor was raised: for so long has nobody been told of what lies below."""
    return link.age(broadcast / LINK)


def raise_to(broadcast: Path, sequence: int) -> None:
    if sequence > read(broadcast):
        link.point(broadcast / LINK, str(sequence))


def wanted(window: Sequence[Span], least: int) -> int:
    """Where a window of `least` segments begins, or of more if players need more."""
    target = max((span.run.target_duration for span in window), default=0)
    count, lasting = 0, 0.0
    for span in reversed(window):
        clock = span.run.renditions[0]
        for number in reversed(range(span.start, span.stop)):
            if count >= least and lasting >= TARGET_DURATIONS * target:
                return span.run.first_sequence + number + 1
            count += 1
            lasting += clock.segment(number).duration
    return window[0].sequence if window else 0
