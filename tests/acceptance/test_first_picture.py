"""A publisher's first picture is not missed; who publishes does not wait for who is away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.ladder.key_frames import KEY_FRAMES_FILE, times
from tests.acceptance.playlist import media, variants
from tests.acceptance.publisher import AAC, SOUND, Publisher, h264, moving
from tests.acceptance.stack import Stack, until

NAME = "early"
# FFmpeg's clock for the first that comes; sound may come a few ms before the picture.
START = 10.0


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return stack.add_stream(NAME, grace=1)


@pytest.fixture(autouse=True)
def _off_air(stack: Stack, key: str) -> Iterator[None]:
    yield
    until(lambda: not variants(stack, NAME), 30, "the broadcast is over")


def publisher(stack: Stack, key: str, size: str = "854x480", gop: int = 50) -> Publisher:
    return Publisher(stack.rtmp, key, source=(*moving(size, 25), *SOUND, *h264(gop), *AAC))


def runs(stack: Stack) -> list[Path]:
    """Those of the broadcast that is on air."""
    for manifest in (stack.var / "hls" / NAME).glob("*/broadcast.json"):
        if json.loads(manifest.read_text())["ended_at"] is None:
            return sorted(file.parent for file in manifest.parent.glob("*/run.json"))
    return []


def renditions(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "run.json").read_text())["renditions"]
    return found


def heights(stack: Stack) -> list[int]:
    return [variant.height for variant in variants(stack, NAME)]


def playable(stack: Stack) -> bool:
    found = variants(stack, NAME)
    return bool(found) and all(media(stack, variant.path).segments for variant in found)


def test_a_stream_that_was_never_seen_plays_whatever_its_size_and_key_frames(
    stack: Stack, key: str
) -> None:
    with publisher(stack, key, gop=250):
        until(lambda: playable(stack), 20, "a playlist")
        first = runs(stack)[0]
        noted = times((first / KEY_FRAMES_FILE).read_text())
        # The next key frame comes ten seconds later.
        assert noted[0] < START + 0.5
        # The one with the source's own key frames is left out.
        assert [entry["height"] for entry in renditions(first)] == [360]
        until(lambda: heights(stack) == [480, 360], 40, "all renditions, from another run")
        assert len(runs(stack)) > 1


def test_the_next_time_its_key_frames_are_known(stack: Stack, key: str) -> None:
    with publisher(stack, key, gop=250):
        until(lambda: playable(stack), 20, "a playlist")
        run = runs(stack)[0]
        assert times((run / KEY_FRAMES_FILE).read_text())[0] < START + 0.5
        assert len(runs(stack)) == 1


def test_a_guess_that_was_wrong_is_repaired(stack: Stack, key: str) -> None:
    with publisher(stack, key, size="640x360"):
        until(lambda: playable(stack), 30, "a playlist")
        assert heights(stack) == [360]
        assert len(runs(stack)) == 2


def test_a_publisher_is_let_in_while_no_worker_is_there(stack: Stack, key: str) -> None:
    stack.control("stop", "worker")
    try:
        with publisher(stack, key) as waiting:
            until(lambda: f"{NAME}-" in stat(stack), 4, "the publisher was let in")
            assert waiting.publishing
            stack.control("start", "worker")
            until(lambda: playable(stack), 30, "a playlist")
    finally:
        stack.control("start", "worker")


def stat(stack: Stack) -> str:
    return stack.shell("from streams.ingest_node import node\nprint(*node.publishers(fresh=True))")
