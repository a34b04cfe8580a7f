"""Cost: the CPU that a ladder needs, reckoned before it runs. Unit: cores, CPU seconds a second.

Reckoned for the machine and the picture it was measured with; what a host's own ladders really
use, divided by this, is the host's factor (`learn`).
"""

from collections.abc import Sequence

from streams.ladder.renditions import Rendition
from streams.ladder.source import Source

# Measured by tests/benchmarks/ladder_cpu.py with a noisy picture, preset veryfast; within a sixth.
DECODER, DECODED_PIXEL = 0.07, 1.0e-9
SCALED_PIXEL = 1.0e-9  # of the picture that is scaled down, not of the result
ENCODER, ENCODED_PIXEL = 0.02, 14e-9
ENCODED_SOUND = 0.01
COPY = 0.02  # reading, writing and a thumbnail now and then
USUAL_RATE = 30.0  # frames a second where nobody knows better

# A quiet slide show costs a fifth of what noise does, and a slow machine some times as much.
LEAST_FACTOR, MOST_FACTOR = 0.1, 5.0
LEARNING = 0.05


def of(source: Source, renditions: Sequence[Rendition]) -> float:
    """Of one FFmpeg that makes these renditions from this source."""
    cost = COPY + ENCODED_SOUND * sum(rendition.audio == "aac" for rendition in renditions)
    encoded = [rendition for rendition in renditions if rendition.video == "x264"]
    if source.video is None or not encoded:
        return cost
    above = source.video.width * source.video.height * (source.video.fps or USUAL_RATE)
    cost += DECODER + DECODED_PIXEL * above
    for rendition in encoded:  # each is scaled from the one above it
        pixels = pixel_rate(rendition)
        cost += SCALED_PIXEL * above + ENCODER + ENCODED_PIXEL * pixels
        above = pixels
    return cost


def pixel_rate(rendition: Rendition) -> float:
    """Pixels a second of its picture; what makes one rendition dearer than another."""
    return rendition.width * rendition.height * (rendition.fps or USUAL_RATE)


def learn(factor: float, reckoned: float, measured: float) -> float:
    """The factor after one more look; slow, so that one scene does not decide."""
    if reckoned <= 0:
        return factor
    seen = min(max(measured / reckoned, LEAST_FACTOR), MOST_FACTOR)
    return factor + LEARNING * (seen - factor)
