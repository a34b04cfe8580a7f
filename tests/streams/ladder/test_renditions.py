import pytest

from streams.ladder.renditions import Rendition, choose
from streams.ladder.rungs import DEFAULT_RUNGS, Rung
from streams.ladder.source import Audio, Source, Video

AAC = Audio("aac", 48_000, 2)


def ladder(width: int, height: int, fps: float | None = 30, **how: object) -> tuple[Rendition, ...]:
    codec = str(how.get("codec", "h264"))
    source = Source(Video(codec, width, height, fps), AAC)
    return choose(source, DEFAULT_RUNGS, allow_copy=bool(how.get("allow_copy", True)))


def sizes(renditions: tuple[Rendition, ...]) -> list[str]:
    return [f"{r.name} {r.width}x{r.height} {r.video}" for r in renditions]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, ["1080p 1920x1080 copy", "720p 1280x720 x264",
                      "480p 854x480 x264", "360p 640x360 x264"]),
        (2560, 1440, ["1440p 2560x1440 copy", "1080p 1920x1080 x264", "720p 1280x720 x264",
                      "480p 854x480 x264", "360p 640x360 x264"]),
        (1366, 768, ["768p 1366x768 copy", "720p 1280x720 x264",
                     "480p 854x480 x264", "360p 640x360 x264"]),
        (853, 480, ["480p 853x480 copy", "360p 640x360 x264"]),
        (426, 240, ["240p 426x240 copy"]),
        (1080, 1920, ["1080p 1080x1920 copy", "720p 720x1280 x264",
                      "480p 480x854 x264", "360p 360x640 x264"]),
    ],
)  # fmt: skip
def test_an_h264_source_is_its_own_top_rendition(
    width: int, height: int, expected: list[str]
) -> None:
    assert sizes(ladder(width, height)) == expected


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (3840, 2160, ["1080p 1920x1080 x264", "720p 1280x720 x264",
                      "480p 854x480 x264", "360p 640x360 x264"]),
        (1280, 720, ["720p 1280x720 x264", "480p 854x480 x264", "360p 640x360 x264"]),
        # 720p beside an encoded 768p would be an encode for nothing.
        (1366, 768, ["768p 1366x768 x264", "480p 854x480 x264", "360p 640x360 x264"]),
        (853, 481, ["480p 852x480 x264", "360p 638x360 x264"]),
        (426, 240, ["240p 426x240 x264"]),
        (1, 1, ["2p 2x2 x264"]),
    ],
)  # fmt: skip
def test_without_a_copy_the_top_is_encoded_at_the_sources_size(
    width: int, height: int, expected: list[str]
) -> None:
    assert sizes(ladder(width, height, allow_copy=False)) == expected


def test_a_codec_it_cannot_pass_through_is_encoded() -> None:
    assert {r.video for r in ladder(1280, 720, codec="hevc")} == {"x264"}


def test_the_rate_of_a_size_between_two_rungs_lies_between_theirs() -> None:
    top = ladder(1600, 900, allow_copy=False)[0]
    assert top.video_bitrate == 3_900_000


def test_the_rate_of_a_size_below_the_lowest_rung_is_lower() -> None:
    assert ladder(426, 240, allow_copy=False)[0].video_bitrate == round(700_000 * 240 / 360)


@pytest.mark.parametrize(
    ("fps", "limit", "expected"),
    [
        (60, 30, (30.0, 30)),
        (30, 30, (30, None)),
        (30.4, 30, (30.4, None)),
        (25, 30, (25, None)),
        (60, None, (60, None)),
        (None, 30, (None, 30)),
    ],
)
def test_a_frame_rate_is_limited_only_where_it_is_too_high(
    fps: float | None, limit: int | None, expected: tuple[float | None, int | None]
) -> None:
    source = Source(Video("h264", 1280, 720, fps), None)
    (rendition,) = choose(source, [Rung(720, 1_000_000, max_fps=limit)], allow_copy=False)
    assert (rendition.fps, rendition.max_fps) == expected


@pytest.mark.parametrize(
    ("codec", "expected"), [("aac", ("copy", None)), ("mp3", ("aac", 128_000))]
)
def test_sound_is_encoded_only_when_it_is_not_aac(codec: str, expected: tuple[str, int]) -> None:
    source = Source(Video("h264", 1280, 720, 30), Audio(codec, 44_100, 2))
    for rendition in choose(source, DEFAULT_RUNGS, allow_copy=True):
        assert (rendition.audio, rendition.audio_bitrate) == expected


def test_a_source_without_sound_gets_none() -> None:
    source = Source(Video("h264", 1280, 720, 30), None)
    assert [r.audio for r in choose(source, DEFAULT_RUNGS, allow_copy=True)] == [None] * 3


def test_a_source_without_picture_gets_one_rendition() -> None:
    (rendition,) = choose(Source(None, AAC), DEFAULT_RUNGS, allow_copy=True)
    assert (rendition.name, rendition.video, rendition.audio) == ("audio", None, "copy")


def test_the_plan_of_an_encoded_rendition_counts_picture_and_sound() -> None:
    copied, encoded, *_ = ladder(1920, 1080)
    assert (copied.bandwidth, encoded.bandwidth) == (None, 2_928_000)


def test_a_profile_without_rungs_falls_back_to_the_standard_ones() -> None:
    source = Source(Video("h264", 1920, 1080, 30), AAC)
    assert choose(source, [], allow_copy=True) == choose(source, DEFAULT_RUNGS, allow_copy=True)


def test_the_order_of_the_rungs_does_not_matter() -> None:
    source = Source(Video("h264", 1920, 1080, 30), AAC)
    assert choose(source, DEFAULT_RUNGS[::-1], allow_copy=True) == ladder(1920, 1080)


def test_a_profile_browsers_do_not_decode_is_encoded() -> None:
    source = Source(Video("h264", 1280, 720, 30, playable=False), AAC)
    assert [r.video for r in choose(source, DEFAULT_RUNGS, allow_copy=True)] == ["x264"] * 3
