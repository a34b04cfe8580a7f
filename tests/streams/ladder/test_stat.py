from pathlib import Path

import pytest

from streams.ladder.source import Audio, Source, Video
from streams.ladder.stat import StatError, parse, played

# A page of nginx 1.22.1 with libnginx-mod-rtmp 1.2.2 while four FFmpegs published.
PAGE = (Path(__file__).parent / "stat.xml").read_bytes()


def test_it_reads_picture_and_sound_of_a_publisher() -> None:
    assert parse(PAGE)["both"].source == Source(
        Video("h264", 640, 360, 30.0), Audio("aac", 48_000, 2)
    )


def test_it_reads_a_publisher_without_sound_and_one_without_picture() -> None:
    publishers = parse(PAGE)
    assert publishers["video-only"].source == Source(Video("h264", 640, 360, 30.0), None)
    assert publishers["audio-only"].source == Source(None, Audio("aac", 48_000, 2))
    assert publishers["mp3"].source == Source(None, Audio("mp3", 44_100, 1))


def test_a_profile_nginx_has_no_name_for_is_none_that_browsers_play() -> None:
    video = parse(PAGE.replace(b"<profile>Baseline<", b"<profile><"))["both"].source.video  # type: ignore[union-attr]
    assert video is not None
    assert not video.playable


def test_it_takes_the_publisher_not_the_player_of_a_stream() -> None:
    both = parse(PAGE)["both"]
    assert (both.client_id, both.address, both.active) == ("2", "127.0.0.1", True)
    assert (both.time_ms, both.bytes_in, both.bandwidth_in) == (13_897, 902_198, 558_600)


def test_it_knows_which_streams_are_played_published_or_not() -> None:
    assert played(PAGE) == {"both"}
    assert played(PAGE.replace(b"<publishing/>", b"")) >= {"both"}


def test_it_leaves_out_streams_that_nobody_publishes() -> None:
    assert "both" not in parse(PAGE.replace(b"<publishing/>", b""))


def test_it_leaves_out_other_applications() -> None:
    assert parse(PAGE.replace(b"<name>live</name>", b"<name>other</name>")) == {}


def test_it_tells_a_silent_connection_from_an_active_one() -> None:
    page = b"""<rtmp><server><application><name>live</name><live><stream><name>s</name>
    <time>1</time><bw_in>0</bw_in><bytes_in>0</bytes_in><client><id>7</id>
    <address>::1</address><time>9</time><publishing/></client><publishing/>
    </stream></live></application></server></rtmp>"""
    publisher = parse(page)["s"]
    assert not publisher.active
    assert publisher.source is None


@pytest.mark.parametrize(
    "change",
    [
        (b"<frame_rate>30</frame_rate>", b"<frame_rate>0</frame_rate>"),
        (b"<width>640</width>", b"<width>0</width>"),
        (b"<codec>H264</codec>", b""),
    ],
)
def test_a_picture_not_fully_known_is_incomplete(change: tuple[bytes, bytes]) -> None:
    source = parse(PAGE.replace(*change))["both"].source
    assert source is not None
    assert source.video is not None
    assert not source.complete


def test_sources_with_one_track_are_complete() -> None:
    publishers = parse(PAGE)
    sources = [publishers[name].source for name in ("both", "video-only", "audio-only")]
    assert all(source and source.complete for source in sources)


def test_codecs_it_does_not_know_keep_their_name_in_lower_case() -> None:
    source = parse(PAGE.replace(b"H264", b"ScreenVideo"))["both"].source
    assert source is not None
    assert source.video is not None
    assert source.video.codec == "screenvideo"


@pytest.mark.parametrize("page", [b"", b"<html/>", b"<rtmp>", b"502 Bad Gateway"])
def test_anything_else_is_an_error(page: bytes) -> None:
    with pytest.raises(StatError):
        parse(page)


def test_one_client_cannot_make_the_page_unreadable() -> None:
    page = PAGE.replace(b"<flashver>", b"<flashver>\x01\xff\x0c", 1)
    assert parse(page).keys() == parse(PAGE).keys()
