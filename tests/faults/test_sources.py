"""What publishers send that is not a 720p picture with a key frame every two seconds."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.playlist import media, variants
from tests.acceptance.publisher import AAC, SOUND, h264, moving
from tests.acceptance.stack import until
from tests.faults import av1, flv, hevc
from tests.faults.conftest import Stage
from tests.faults.ledger import Entry

pytestmark = pytest.mark.slow_fault

PICTURE = moving("640x360", 25)
UNSTEADY = ("-vf", "select='lt(mod(t,4),2)+not(mod(n,5))'", "-fps_mode", "vfr")
SOURCES = {
    "without audio": (*PICTURE, *h264(50)),
    "audio only": (*SOUND, *AAC),
    "audio that comes 5 s late": (*PICTURE, "-itsoffset", "5", *SOUND, *h264(50), *AAC),
    "853x481, 4:4:4": (*moving("853x481", 25), *SOUND, *h264(50, pixels="yuv444p"), *AAC),
    "variable frame rate": (*PICTURE, *SOUND, *UNSTEADY, *h264(50), *AAC),
    "B-frames": (*PICTURE, *SOUND, *h264(50), "-tune", "film", "-bf", "3", *AAC),
    "one frame a second": (*moving("640x360", 1), *SOUND, *h264(2), *AAC),
    "key frame every 10 s": (*PICTURE, *SOUND, *h264(250), *AAC),
    "key frame every 8.3 s (OBS's default)": (*moving("640x360", 30), *SOUND, *h264(250), *AAC),
}


def test_a_source_with_a_key_frame_every_240_s_plays_from_its_first_one(stage: Stage) -> None:
    """On a busy machine FFmpeg may come too late for it; then the encoder has to be restarted, as
    its streamer would do."""
    channel = stage.channel((*PICTURE, *SOUND, *h264(6000), *AAC))
    for _ in range(3):
        channel.publisher.start()
        with suppress(AssertionError):
            until(lambda: variants(channel.stack, channel.name), 15, "a master playlist")
            break
        channel.publisher.stop()
    channel.await_air()
    with channel.fault("source: key frame every 240 s"):
        channel.await_segments(4)


@pytest.mark.parametrize("what", SOURCES)
def test_an_odd_source_plays(stage: Stage, what: str) -> None:
    channel = stage.channel(SOURCES[what])
    published = time.monotonic()
    channel.publisher.start()
    until(lambda: variants(channel.stack, channel.name), 40, "a master playlist")
    playable = time.monotonic() - published
    channel.await_air()
    with channel.fault(f"source: {what}") as fault:
        channel.await_segments(4)
        fault.recovered, fault.remark = playable, "recovered: publish to first playlist"
    assert fault.losses is not None
    assert fault.losses.stalled == 0.0
    runs = len(channel.record.runs(channel.name))
    assert runs <= 2
    # One that suits the source better takes over right before a key frame.
    assert fault.losses.lost <= 1.5 * (runs - 1)
    # Players begin three of them behind the live edge.
    assert channel.playlist().target <= 4


def test_a_picture_that_changes_its_size_goes_on_with_one_cut(stage: Stage, tmp_path: Path) -> None:
    small = (*PICTURE, *SOUND, *h264(50), *AAC)
    large = (*moving("426x240", 25), *SOUND, *h264(50), *AAC)
    sent = flv.joined(
        flv.record(small, 30, tmp_path / "a.flv"), flv.record(large, 40, tmp_path / "b.flv")
    )
    name = stage.name()
    feed = flv.Feed(stage.stack.rtmp, name, sent)
    channel = stage.on(name, feed).begin()
    before = channel.encoder()
    with channel.fault("picture changes its size in mid-stream") as fault:
        until(lambda: stage.record.runs(name)[0]["number"] > 1, 40, "a new run")
        struck = time.monotonic()
        channel.await_new_run(before)
        fault.recovered = time.monotonic() - struck
    assert fault.losses is not None
    assert fault.losses.discontinuities == 1
    assert variants(stage.stack, name)[0].height == 240


@pytest.mark.parametrize(("codec", "encode"), [("HEVC", hevc.encode), ("AV1", av1.encode)])
def test_another_codec_is_refused_with_a_sentence_and_h264_works_afterwards(
    stage: Stage, codec: str, encode: Callable[[float], list[flv.Tag]]
) -> None:
    name = stage.name()
    feed = flv.Feed(stage.stack.rtmp, name, encode(25))
    published = time.monotonic()
    stage.on(name, feed).publisher.start()
    feed.ended(20)
    took = time.monotonic() - published
    note = until(lambda: stage.record.broadcasts(name)[0]["end_note"], 10, "a sentence")
    assert "HEVC or AV1" in note
    assert "H.264" in note
    stage.ledger.add(Entry(f"source: {codec} (refused)", None, None, took, note))
    channel = stage.on(name, stage.publisher(name)).begin()
    channel.is_sound()
    assert not media(stage.stack, channel.path).ended


def test_who_connects_and_sends_nothing_is_dropped_with_a_sentence(stage: Stage) -> None:
    name = stage.name()
    feed = flv.Feed(stage.stack.rtmp, name, silence())
    connected = time.monotonic()
    stage.on(name, feed).publisher.start()
    # Its FFmpeg has nothing to send, so it would not notice.
    note = until(lambda: closed_with(stage, name), 40, "it is dropped with a sentence")
    took = time.monotonic() - connected
    assert 15 < took < 30
    stage.ledger.add(Entry("publisher that sends nothing (dropped)", None, None, took, note))
    stage.on(name, stage.publisher(name)).begin().is_sound()


def closed_with(stage: Stage, name: str) -> str:
    return "".join(row["end_note"] for row in stage.record.broadcasts(name) if not row["open_key"])


def silence() -> list[flv.Tag]:
    """A tag that is due in an hour."""
    return [flv.Tag(flv.VIDEO, 3_600_000, b"")]
