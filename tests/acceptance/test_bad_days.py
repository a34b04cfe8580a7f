"""Things break while a stream is live; viewers go on."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.playlist import Media, media, variants
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until

NAME = "sturdy"
GRACE = 3


class Live:
    """A stream on air: its publisher, its playlist, its FFmpeg."""

    def __init__(self, stack: Stack, publisher: Publisher) -> None:
        self._stack = stack
        self.publisher = publisher
        self.path = until(lambda: variants(stack, NAME), 20, "a master playlist")[-1].path

    def playlist(self) -> Media:
        return media(self._stack, self.path)

    def await_segments(self, count: int) -> None:
        goal = self.playlist().newest + count
        until(lambda: self.playlist().newest >= goal, 30, f"{count} more segments")

    def encoder(self) -> int:
        (pid,) = until(self._stack.encoders, 15, "an FFmpeg")
        return pid


@pytest.fixture(scope="module")
def live(stack: Stack) -> Iterator[Live]:
    stack.add_stream(NAME, grace=GRACE)
    # By its plain name, which a local trial allows on loopback.
    with Publisher(stack.rtmp, NAME, size="640x480") as publisher:
        yield Live(stack, publisher)


def test_a_killed_ffmpeg_is_a_jump_and_no_more(stack: Stack, live: Live) -> None:
    live.await_segments(2)
    before, killed, at = live.playlist(), live.encoder(), time.monotonic()
    os.kill(killed, signal.SIGKILL)
    until(lambda: live.playlist().newest > before.newest + 1, 30, "the playlist goes on")
    stack.note("FFmpeg killed to the next segments", at)
    after = live.playlist()
    assert after.sequence >= before.sequence
    # Not the first one: what is before it may have left the list.
    cuts = [segment.number for segment in after.segments[1:] if segment.discontinuity]
    assert len([number for number in cuts if number > before.newest]) == 1
    assert not after.ended
    assert live.encoder() != killed


def test_a_worker_that_restarts_finds_its_ffmpeg_again(stack: Stack, live: Live) -> None:
    live.await_segments(1)
    encoder, worker = live.encoder(), stack.pids()["worker"]
    restarted = stack.app("restart", "worker")
    assert restarted.returncode == 0, restarted.stdout
    assert stack.pids()["worker"] != worker
    live.await_segments(2)
    assert stack.encoders() == [encoder]


def test_pages_and_playlists_come_back_with_a_new_web(stack: Stack, live: Live) -> None:
    encoder = live.encoder()
    restarted = stack.app("restart", "web", "edge")
    assert restarted.returncode == 0, restarted.stdout
    live.await_segments(1)
    assert stack.encoders() == [encoder]


def test_without_redis_health_says_so_and_the_video_goes_on(stack: Stack, live: Live) -> None:
    encoder = live.encoder()
    stack.control("stop", "redis")
    try:
        failing = until(lambda: stack.get("/health", stack.backend).json["failing"], 20, "a 503")
        assert "redis" in failing
        assert stack.get("/health", stack.backend).status == 503
        assert stack.app("status").returncode == 1
        live.await_segments(2)
    finally:
        started = stack.app("start")
    assert started.returncode == 0, started.stdout
    assert stack.encoders() == [encoder]


def test_a_publisher_that_returns_in_time_continues_the_same_playlist(
    stack: Stack, live: Live
) -> None:
    live.await_segments(1)
    before, path = live.playlist(), live.path
    live.publisher.stop()
    live.publisher.start()
    until(lambda: live.playlist().newest > before.newest + 2, 30, "the playlist goes on")
    after = live.playlist()
    assert after.sequence >= before.sequence
    assert not after.ended
    assert variants(stack, NAME)[-1].path == path


def test_when_the_publisher_leaves_the_broadcast_ends_after_the_grace(
    stack: Stack, live: Live
) -> None:
    live.publisher.stop()
    left = time.monotonic()
    until(lambda: live.playlist().ended, GRACE + 20, "EXT-X-ENDLIST")
    stack.note(f"publisher gone to the end, with {GRACE} s of grace", left)
    assert time.monotonic() - left > GRACE - 1
    answer = stack.get(f"/hls/{NAME}")
    assert (answer.status, answer.json["error"]) == (404, "offline")
    until(lambda: not stack.encoders(), 10, "FFmpeg has ended")


def test_an_ingest_that_restarts_tells_nobody_and_the_broadcast_ends_all_the_same(
    stack: Stack, live: Live
) -> None:
    """nginx posts no publish_done for the publishers it takes down with it."""
    live.publisher.start()
    path = until(lambda: variants(stack, NAME), 30, "a new broadcast")[-1].path
    restarted = stack.app("restart", "ingest")
    assert restarted.returncode == 0, restarted.stdout
    until(lambda: media(stack, path).ended, GRACE + 30, "EXT-X-ENDLIST")


def test_a_broadcast_stopped_by_hand_takes_its_publisher_down(stack: Stack, live: Live) -> None:
    live.publisher.stop()
    live.publisher.start()
    until(lambda: variants(stack, NAME), 30, "a new broadcast")
    stack.shell(
        "from streams.models import Broadcast\n"
        "Broadcast.objects.filter(open_key__isnull=False).update(wanted='off')"
    )
    live.publisher.ended(15)
    answer = until(
        lambda: (a := stack.get(f"/hls/{NAME}")).status == 404 and a, 15, "nothing on air"
    )
    assert answer.json["error"] == "offline"
    until(lambda: not stack.encoders(), 10, "FFmpeg has ended")
