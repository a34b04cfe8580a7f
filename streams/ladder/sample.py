"""Samples: the packets of some seconds of a source, as ffprobe lists them, and their measures."""

import json
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Packet:
    """Times in seconds: when it is shown, and when it has to be decoded. `size` in bytes."""

    shown: float
    decoded: float
    size: int
    key: bool


@dataclass(frozen=True)
class Picture:
    """`packets` in the order in which they came; `aspect` 0 when unknown."""

    codec: str
    profile: str
    width: int
    height: int
    aspect: float
    packets: tuple[Packet, ...]

    @property
    def seconds(self) -> float:
        times = [packet.shown for packet in self.packets]
        return max(times) - min(times) if times else 0.0

    @property
    def bits_per_second(self) -> float:
        # The last packet's own duration is not within `seconds`, so its bytes are not either.
        return sum(packet.size for packet in self.packets[:-1]) * 8 / self.seconds

    @property
    def frames_per_second(self) -> float:
        return (len(self.packets) - 1) / self.seconds

    @property
    def reordered(self) -> bool:
        """Whether frames are shown in another order than they are sent, that is has B-frames."""
        return any(later.shown < earlier.shown for earlier, later in pairwise(self.packets))

    @property
    def frame_intervals(self) -> list[float]:
        return [b - a for a, b in pairwise(sorted(packet.shown for packet in self.packets))]

    @property
    def uneven(self) -> float:
        """The share of frames that do not come at the usual interval. FLV rounds to a ms."""
        intervals = self.frame_intervals
        usual = median(intervals)
        slack = max(usual / 4, 0.003)
        return sum(abs(interval - usual) > slack for interval in intervals) / len(intervals)

    @property
    def key_frame_distances(self) -> list[float]:
        return [b - a for a, b in pairwise(p.shown for p in self.packets if p.key)]

    @property
    def longest_key_frame_distance(self) -> float:
        """Seconds; when the sample holds fewer than two key frames, at least so many."""
        times = sorted(packet.shown for packet in self.packets)
        keys = [packet.shown for packet in self.packets if packet.key]
        # What lies before the first and after the last is the visible part of a distance.
        return max(b - a for a, b in pairwise([times[0], *keys, times[-1]]))

    def busiest(self, window: float) -> float:
        """The most bits per second in one of the sample's whole windows of so many seconds."""
        start = min(packet.decoded for packet in self.packets)
        sizes = [0] * max(1, int(self.seconds / window))
        for packet in self.packets:
            index = int((packet.decoded - start) / window)
            if index < len(sizes):
                sizes[index] += packet.size
        return max(sizes) * 8 / window


@dataclass(frozen=True)
class Sound:
    codec: str
    sample_rate: int


@dataclass(frozen=True)
class Sample:
    """What came within the sample; None: no packet of it did, whatever was announced."""

    picture: Picture | None
    sound: Sound | None


def parse(text: str) -> Sample | None:
    """Read ffprobe's JSON of packets and streams; None when it holds no packet."""
    try:
        found = json.loads(text)
    except ValueError:  # ffprobe was ended before it had written everything
        return None
    packets = found.get("packets", [])
    streams = found.get("streams", [])
    sample = Sample(_picture(streams, packets), _sound(streams, packets))
    return sample if sample.picture or sample.sound else None


def _picture(streams: list[dict[str, Any]], packets: list[dict[str, Any]]) -> Picture | None:
    stream = _first(streams, "video")
    mine = tuple(
        Packet(
            shown=float(packet["pts_time"]),
            decoded=float(packet.get("dts_time", packet["pts_time"])),
            size=int(packet["size"]),
            key="K" in packet["flags"],
        )
        for packet in packets
        if packet.get("codec_type") == "video" and "pts_time" in packet
    )
    if stream is None or not mine:
        return None
    width, height = stream.get("width", 0), stream.get("height", 0)
    return Picture(
        codec=stream.get("codec_name", ""),
        profile=stream.get("profile", ""),
        width=width,
        height=height,
        aspect=width / height * _pixel_aspect(stream) if height else 0.0,
        packets=mine,
    )


def _pixel_aspect(stream: dict[str, Any]) -> float:
    """ffprobe writes "4:3", and "0:1" or nothing when it does not know."""
    width, _, height = stream.get("sample_aspect_ratio", "").partition(":")
    try:
        return float(width) / float(height) or 1.0
    except (ValueError, ZeroDivisionError):
        return 1.0


def _sound(streams: list[dict[str, Any]], packets: list[dict[str, Any]]) -> Sound | None:
    stream = _first(streams, "audio")
    if stream is None or _first(packets, "audio") is None:
        return None
    return Sound(stream.get("codec_name", ""), int(stream.get("sample_rate", 0)))


def _first(rows: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    return next((row for row in rows if row.get("codec_type") == kind), None)
