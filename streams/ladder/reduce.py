"""Shorter ladders, for a host that cannot carry the whole one.

The order stays: a copied rendition is the first, and the key frames of the others follow it.
"""

from collections.abc import Sequence

from streams.ladder.cost import pixel_rate
from streams.ladder.renditions import Rendition

Ladder = tuple[Rendition, ...]


def without_dearest(renditions: Sequence[Rendition], count: int) -> Ladder:
    """Without so many of the dearest encoded renditions, as far as something remains to be seen:
    the copy alone, or else the cheapest. A sound alone stays as it is."""
    gone = _by_cost(renditions)[: min(count, most_sheddable(renditions))]
    return tuple(rendition for rendition in renditions if rendition not in gone)


def most_sheddable(renditions: Sequence[Rendition]) -> int:
    """How many `without_dearest` can take away."""
    encoded = len(_by_cost(renditions))
    return encoded if encoded < len(renditions) else max(0, encoded - 1)


def copy_only(renditions: Sequence[Rendition]) -> Ladder:
    """What costs next to nothing; without a copy, the cheapest encoded rendition."""
    return without_dearest(renditions, len(renditions))


def _by_cost(renditions: Sequence[Rendition]) -> list[Rendition]:
    """The encoded ones, the dearest first."""
    encoded = [rendition for rendition in renditions if rendition.video == "x264"]
    return sorted(encoded, key=pixel_rate, reverse=True)
