import pytest

from streams.origin.master import Variant, compose, measure


def test_it_says_everything_about_every_rendition() -> None:
    variants = [
        Variant("720p", 3_000_000, 2_500_000, ("avc1.64001f", "mp4a.40.2"), 1280, 720, 29.97),
        Variant("360p", 800_000, 700_000, ("avc1.64001e",), 640, 360, None),
    ]
    assert compose("abc", variants) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2500000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970\n'
        "abc/720p.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=700000,"
        'CODECS="avc1.64001e",RESOLUTION=640x360\n'
        "abc/360p.m3u8\n"
    )


def test_sound_alone_has_neither_size_nor_frame_rate() -> None:
    text = compose("abc", [Variant("audio", 1, 1, ("mp4a.40.2",), 0, 0, None)])
    assert "RESOLUTION" not in text
    assert "FRAME-RATE" not in text


@pytest.mark.parametrize(
    ("segments", "planned", "expected"),
    [
        ([(1000, 2.0), (3000, 2.0)], None, (12_000, 8_000)),
        ([(1000, 2.0), (3000, 2.0)], 10_000, (12_000, 8_000)),
        ([(1000, 2.0)], 10_000, (10_000, 4_000)),
        ([(1000, 1.0), (1000, 3.0)], None, (8_000, 4_000)),
        ([(1000, 0.0)], 5_000, (5_000, 5_000)),
        ([], None, (0, 0)),
    ],
)
def test_the_peak_is_measured_but_never_below_the_plan(
    segments: list[tuple[int, float]], planned: int | None, expected: tuple[int, int]
) -> None:
    assert measure(segments, planned) == expected
