"""Media playlists, composed from a history. Pure. RFC 8216 sections 4.3.2, 4.3.3 and 6.2.2."""

from streams.origin.history import History, Span
from streams.origin.layout import INIT_FILE, segment_file

WINDOW = 30  # segments


def compose(
    history: History, rendition: str, target_duration: int, window: int = WINDOW
) -> str | None:
    """The playlist of a rendition, or None when there is no segment to list.

    Relative URIs begin at the broadcast's folder. EXT-X-DISCONTINUITY stays with the segment it
    precedes and leaves the playlist together with it.
    """
    spans = history.window(window)
    if not spans:
        return None
    first = spans[0]
    tagged = _is_discontinuous(first)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.sequence}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first.run.discontinuity_sequence - tagged}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for span in spans:
        lines += _lines(span, rendition)
    if history.ended_at is not None:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _is_discontinuous(span: Span) -> bool:
    return span.start == 0 and span.run.discontinuity_sequence > 0


def _lines(span: Span, name: str) -> list[str]:
    """Times come from the best rendition: FFmpeg starts each one's clock some ms apart, and a
    player lays the renditions over each other by them."""
    rendition, clock = span.run.rendition_for(name), span.run.renditions[0]
    folder = f"{span.run.folder}/{rendition.name}"
    lines = ["#EXT-X-DISCONTINUITY"] if _is_discontinuous(span) else []
    lines.append(f'#EXT-X-MAP:URI="{folder}/{INIT_FILE}"')
    for number in range(span.start, span.stop):
        if at := clock.segment(number).at:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at}")
        lines.append(f"#EXTINF:{rendition.segment(number).duration:.6f},")
        lines.append(f"{folder}/{segment_file(number)}")
    return lines
