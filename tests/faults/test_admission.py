"""A host that has its hands full: more broadcasts are passed on as they are sent, and get more once
there is room."""

import time

import pytest

from tests.acceptance.playlist import variants
from tests.acceptance.publisher import AAC, SOUND, h264, moving
from tests.acceptance.stack import until
from tests.faults.channel import Channel
from tests.faults.conftest import Stage
from tests.faults.ledger import Entry

pytestmark = pytest.mark.slow_fault


class Hog:
    """A channel whose FFmpeg uses all of the host, for the record."""

    def __init__(self, stage: Stage) -> None:
        stage.rest()
        self._record = stage.record
        self._name = stage.channel().begin().name

    def eats(self) -> bool:
        """Once it has been measured, the true figure comes back every few seconds."""
        run = self._record.runs(self._name)[0]["_id"]
        self._record.change("run", {"_id": run}, cpu=100.0)
        return True


@pytest.fixture
def hog(stage: Stage) -> Hog:
    return Hog(stage)


def begin(channel: Channel, hog: Hog) -> float:
    """Seconds from publish to the first playlist."""
    hog.eats()
    published = time.monotonic()
    channel.publisher.start()
    until(lambda: hog.eats() and variants(channel.stack, channel.name), 40, "a master playlist")
    took = time.monotonic() - published
    channel.await_air()
    return took


def heights(channel: Channel) -> list[int | None]:
    return [variant.height for variant in variants(channel.stack, channel.name)]


def test_a_broadcast_on_a_full_host_is_passed_on_and_its_admin_reads_why(
    stage: Stage, hog: Hog
) -> None:
    channel = stage.channel((*moving("1280x720", 25), *SOUND, *h264(50), *AAC))
    took = begin(channel, hog)
    assert heights(channel) == [720]
    assert "No host has room" in channel.row["ladder_note"]
    assert any(line.startswith("no_room: ") for line in channel.record.events(channel.name))
    # Nothing was replaced: the first FFmpeg had the first key frame.
    assert len(channel.record.runs(channel.name)) == 1
    channel.note(Entry("no room on the host: passed on as it is sent", None, None, took))
    channel.is_sound()


def test_key_frames_too_far_apart_to_be_passed_on_get_the_smallest_quality(
    stage: Stage, hog: Hog
) -> None:
    channel = stage.channel((*moving("1280x720", 30), *SOUND, *h264(250), *AAC))
    took = begin(channel, hog)
    until(
        lambda: hog.eats() and heights(channel) == [360],
        40,
        f"the smallest alone: {heights(channel)}",
    )
    assert "smallest quality only" in channel.row["ladder_note"]
    text = "no room, and a key frame every 8.3 s (OBS's default): the smallest quality"
    channel.note(Entry(text, None, None, took))
    channel.is_sound()
