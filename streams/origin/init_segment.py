"""MP4 boxes: what players must be told about codecs, read from init segments (ISO 14496-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CONTAINERS = {"moov", "trak", "mdia", "minf", "stbl", "moof", "traf"}
VIDEO_HEADER = 78  # bytes of a VisualSampleEntry before its own boxes
AUDIO_HEADER = 28


@dataclass(frozen=True)
class InitSegment:
    """`codecs` as RFC 6381 writes them, picture first; without it size 0, `video_track` None."""

    codecs: tuple[str, ...]
    width: int
    height: int
    video_track: int | None


def read(data: bytes) -> InitSegment:
    """Raises ValueError when the bytes are no init segment."""
    pictures, sounds = [], []
    width = height = 0
    track = video_track = None
    for kind, body in _walk(data):
        if kind == "tkhd":
            track = _track_id(body)
        elif kind == "stsd":
            entry, content = next(_boxes(body[8:]), ("", b""))
            if entry in ("mp4a", "ac-3", "Opus"):
                sounds.append(_audio_codec(entry, content))
            else:
                pictures.append(_video_codec(entry, content))
                width, height = struct.unpack_from(">HH", content, 24)
                video_track = track
    if not pictures and not sounds:
        raise ValueError("no track in the init segment")
    return InitSegment((*pictures, *sounds), width, height, video_track)


def count_samples(segment: bytes, track: int) -> int:
    """How many samples (frames) of a track a media segment holds."""
    samples = 0
    current = None
    for kind, body in _walk(segment):
        if kind == "tfhd":
            (current,) = struct.unpack_from(">I", body, 4)
        elif kind == "trun" and current == track:
            samples += struct.unpack_from(">I", body, 4)[0]
    return samples


def _boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    offset = 0
    while offset + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, offset + 8)
            header = 16
        elif size == 0:
            size = len(data) - offset
        if size < header or offset + size > len(data):
            raise ValueError(f"broken box {kind!r} at byte {offset}")
        yield kind.decode("latin-1"), data[offset + header : offset + size]
        offset += size


def _walk(data: bytes) -> Iterator[tuple[str, bytes]]:
    """All boxes in file order, those inside containers too."""
    for kind, body in _boxes(data):
        yield kind, body
        if kind in CONTAINERS:
            yield from _walk(body)


def _track_id(tkhd: bytes) -> int:
    # Version 1 has 64-bit dates before it.
    return int(struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)[0])


def _video_codec(entry: str, content: bytes) -> str:
    boxes = dict(_boxes(content[VIDEO_HEADER:]))
    if entry in ("avc1", "avc3") and "avcC" in boxes:
        return f"{entry}.{boxes['avcC'][1:4].hex()}"
    return entry


def _audio_codec(entry: str, content: bytes) -> str:
    boxes = dict(_boxes(content[AUDIO_HEADER:]))
    if entry != "mp4a" or "esds" not in boxes:
        return entry
    kind, config = _decoder_config(boxes["esds"][4:])
    if kind != 0x40 or not config:
        return f"mp4a.{kind:x}"
    object_type = config[0] >> 3
    if object_type == 31:  # escape: 6 more bits, across the byte border
        object_type = 32 + ((config[0] & 7) << 3 | config[1] >> 5)
    return f"mp4a.40.{object_type}"


def _decoder_config(data: bytes) -> tuple[int, bytes]:
    """Object type indication and decoder specific info of an ES descriptor (ISO 14496-1 7.2.6)."""
    tag, body, _ = _descriptor(data)
    flags = body[2] if tag == 3 else 0
    if tag != 3 or flags:  # dependencies, URLs: not in files
        raise ValueError("unexpected elementary stream descriptor")
    tag, decoder, _ = _descriptor(body[3:])
    if tag != 4:
        raise ValueError("no decoder configuration")
    if len(decoder) <= 13:
        return decoder[0], b""
    tag, config, _ = _descriptor(decoder[13:])
    return decoder[0], config if tag == 5 else b""


def _descriptor(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and rest; the length is written in groups of 7 bits."""
    size, offset = 0, 1
    while True:
        size = size << 7 | data[offset] & 0x7F
        offset += 1
        if not data[offset - 1] & 0x80:
            return data[0], data[offset : offset + size], data[offset + size :]
