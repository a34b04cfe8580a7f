"""FFmpeg's own playlists, as they are found on disk."""

from streams.origin.segment_list import parse

HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n"
ONE = "#EXTINF:2.000000,\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:00:00.000+0100\n000000.m4s\n"


def test_it_reads_number_duration_and_time() -> None:
    (segment,) = parse(HEAD + ONE)
    assert (segment.number, segment.duration) == (0, 2.0)
    assert segment.at == "2026-11-23T04:00:00.000Z"


def test_a_segment_with_nothing_in_it_is_none() -> None:
    empty = "#EXTINF:0.000000,\n000001.m4s\n#EXT-X-ENDLIST\n"
    assert [segment.number for segment in parse(HEAD + ONE + empty)] == [0]
    assert parse(HEAD + empty) == ()
