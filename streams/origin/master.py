"""Master playlists: every rendition with what a player needs to choose. Pure. RFC 8216 4.3.4.2."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """Rates in bits per second. Size 0 means sound alone; `fps` None is left out."""

    name: str
    peak: int
    average: int
    codecs: tuple[str, ...]
    width: int
    height: int
    fps: float | None


def measure(segments: Sequence[tuple[int, float]], planned: int | None) -> tuple[int, int]:
    """Peak and average rate of segments given as (bytes, seconds); the peak is at least `planned`,
    so that a quiet start does not lure a player into a rendition its line cannot carry."""
    timed = [(size, seconds) for size, seconds in segments if seconds > 0]
    rates = [size * 8 / seconds for size, seconds in timed]
    total = sum(seconds for _, seconds in timed)
    average = round(sum(size for size, _ in timed) * 8 / total) if total else planned or 0
    return max(round(max(rates, default=0)), planned or 0, average), average


def compose(base: str, variants: Sequence[Variant]) -> str:
    """The playlist, best first; `base` leads from its own URL to the broadcast's folder."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant in variants:
        lines.append("#EXT-X-STREAM-INF:" + ",".join(_attributes(variant)))
        lines.append(f"{base}/{variant.name}.m3u8")
    return "\n".join(lines) + "\n"


def _attributes(variant: Variant) -> list[str]:
    attributes = [
        f"BANDWIDTH={variant.peak}",
        f"AVERAGE-BANDWIDTH={variant.average}",
        f'CODECS="{",".join(variant.codecs)}"',
    ]
    if variant.width and variant.height:
        attributes.append(f"RESOLUTION={variant.width}x{variant.height}")
        if variant.fps:
            attributes.append(f"FRAME-RATE={variant.fps:.3f}")
    return attributes
