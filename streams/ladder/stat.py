"""nginx-rtmp's /stat page: who publishes, since when, and what."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from streams.ladder.source import Audio, Source, Video, in_every_browser

APPLICATION = "live"
# What clients say of themselves stands on the page as they sent it; one of them must not be able to
# make it unreadable.
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Publisher:
    """`time_ms` counts since the connection; `bandwidth_in` in bits per second, a mean of ten
    seconds, so 0 in the first ten. `active` is False until the first picture or sound arrived.
    `timestamp`: media seconds it has sent; `dropped`: frames that players, that is our FFmpeg, did
    not take in time."""

    name: str
    client_id: str
    address: str
    active: bool
    bytes_in: int
    time_ms: int
    bandwidth_in: int
    source: Source | None
    timestamp: float = 0.0
    dropped: int = 0


class StatError(Exception):
    """The page is not nginx-rtmp's statistics."""


def parse(xml: bytes) -> dict[str, Publisher]:
    """Publishers by stream name. Streams with players only are left out. Raises StatError."""
    found = (_publisher(stream) for stream in _streams(xml))
    return {publisher.name: publisher for publisher in found if publisher}


def played(xml: bytes) -> frozenset[str]:
    """Names of the streams that have a player, published or not yet. Raises StatError."""
    return frozenset(
        stream.findtext("name", "")
        for stream in _streams(xml)
        if any(client.find("publishing") is None for client in stream.iterfind("client"))
    )


def _streams(xml: bytes) -> Iterator[ElementTree.Element]:
    try:
        # Our nginx wrote it, without a DTD; and expat (2.4.1 on) limits what entities may grow to.
        root = ElementTree.fromstring(  # nosec B314
            NOT_XML.sub("", xml.decode("utf-8", "replace"))
        )
    except ElementTree.ParseError as error:
        raise StatError(f"not XML: {error}") from error
    if root.tag != "rtmp":
        raise StatError(f"expected <rtmp>, found <{root.tag}>")
    for application in root.iterfind("server/application"):
        if application.findtext("name") == APPLICATION:
            yield from application.iterfind("live/stream")


def _publisher(stream: ElementTree.Element) -> Publisher | None:
    for client in stream.iterfind("client"):
        if client.find("publishing") is not None:
            return Publisher(
                name=stream.findtext("name", ""),
                client_id=client.findtext("id", ""),
                address=client.findtext("address", ""),
                active=stream.find("active") is not None,
                bytes_in=_number(stream, "bytes_in"),
                time_ms=_number(client, "time"),
                bandwidth_in=_number(stream, "bw_in"),
                source=_source(stream.find("meta")),
                timestamp=_number(client, "timestamp") / 1000,
                dropped=sum(_number(other, "dropped") for other in stream.iterfind("client")),
            )
    return None


def _source(meta: ElementTree.Element | None) -> Source | None:
    if meta is None:
        return None
    video = _video(meta.find("video"))
    audio = _audio(meta.find("audio"))
    return Source(video, audio) if video or audio else None


def _video(element: ElementTree.Element | None) -> Video | None:
    """Without a codec but with a size the publisher's metadata announces a picture that has not
    come yet; with neither there is no picture."""
    if element is None:
        return None
    codec = element.findtext("codec", "").lower()
    width, height = _number(element, "width"), _number(element, "height")
    if not codec and not (width and height):
        return None
    fps = float(element.findtext("frame_rate") or 0) or None
    playable = in_every_browser(element.findtext("profile", ""))
    return Video(codec, width, height, fps, playable)


def _audio(element: ElementTree.Element | None) -> Audio | None:
    codec = element.findtext("codec", "").lower() if element is not None else ""
    if element is None or not codec:
        return None
    return Audio(codec, _number(element, "sample_rate"), _number(element, "channels"))


def _number(element: ElementTree.Element, tag: str) -> int:
    return int(float(element.findtext(tag) or 0))
