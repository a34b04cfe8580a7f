"""What a run is made for, before and after its source is known."""

import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from streams import lease
from streams.ladder.guess import UNKNOWN
from streams.ladder.source import Audio, Source, Video
from streams.models import Broadcast, LadderProfile, Run, Stream
from streams.origin import run_folder
from streams.sources import Choice, RunSource, choose_source, record_of
from streams.supervisor.process import Process
from streams.supervisor.roles import RunHandle

# Connections are given back, so there is no transaction around a test.
pytestmark = pytest.mark.django_db(transaction=True)

HD = Source(Video("h264", 1280, 720, 25.0), Audio("aac", 44_100, 1))
FULL_HD = Source(Video("h264", 1920, 1080, 30.0), Audio("aac", 48_000, 2))


def put_on_air(stream: Stream, ago: float = 0.0, **columns: object) -> Broadcast:
    at = timezone.now() - timedelta(seconds=ago)
    key = None if ago else stream.pk
    return Broadcast.objects.create(stream=stream, open_key=key, started_at=at, **columns)


def choice(broadcast: Broadcast, described: Source | None = None) -> Choice:
    return choose_source(broadcast, LadderProfile.objects.get(streams=broadcast.stream), described)


def test_a_stream_that_was_never_on_air_gets_a_run_that_suits_whatever_comes(
    stream: Stream,
) -> None:
    made = choice(put_on_air(stream))
    assert (made.source, made.guessed, made.adaptive) == (UNKNOWN, True, True)


def test_the_last_broadcast_is_the_guess_for_the_next(stream: Stream) -> None:
    put_on_air(stream, ago=200, source=record_of(FULL_HD, 2.0))
    put_on_air(stream, ago=100, source=record_of(HD, 2.0))
    made = choice(put_on_air(stream))
    assert (made.source, made.guessed, made.adaptive) == (HD, True, False)
    assert made.ladder(HD)[0].video == "copy"


def test_key_frames_that_were_too_far_apart_are_not_copied_the_next_time(stream: Stream) -> None:
    put_on_air(stream, ago=100, source=record_of(HD, 8.333))
    made = choice(put_on_air(stream))
    assert (made.copy_refused, made.adaptive) == (True, False)
    assert {rendition.video for rendition in made.ladder(HD)} == {"x264"}


def test_a_streamer_who_mended_the_key_frames_is_copied_the_next_time(stream: Stream) -> None:
    put_on_air(stream, ago=200, source=record_of(HD, 8.333), copy_refused=True)
    put_on_air(stream, ago=100, source=record_of(HD, 2.0), copy_refused=True)
    assert not choice(put_on_air(stream)).copy_refused


def test_what_is_known_now_is_no_guess(stream: Stream) -> None:
    put_on_air(stream, ago=100, source=record_of(HD, 2.0))
    made = choice(put_on_air(stream), FULL_HD)
    assert (made.source, made.guessed, made.adaptive) == (FULL_HD, False, False)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunHandle]:
    process = Process.spawn(["sleep", "60"], run_id="1", root=tmp_path, log=tmp_path / "log")
    yield RunHandle("1", process, tmp_path, "in-1", True, time.monotonic())
    process.put_down(0)


class Watched:
    """A broadcast whose run was made for a guess."""

    def __init__(self, stream: Stream, run: RunHandle, root: Path) -> None:
        self.broadcast = put_on_air(stream)
        held = lease.acquire(self.broadcast.pk, "here")
        assert held is not None
        made = choice(self.broadcast)
        renditions = made.ladder(made.source)
        row = Run.objects.create(broadcast=self.broadcast, number=1, fence=held.fence, host="here")
        opened = run_folder.open_run(
            root, stream.name, self.broadcast.pk.hex, row.pk.hex, 1, renditions, 2
        )
        run.run_id, run.folder = row.pk.hex, opened.folder
        self.source = RunSource(held)
        self.source.begin(made, renditions, made.adaptive)
        self.run = run

    def sees(self, source: Source | None) -> bool:
        return self.source.has_changed(self.run, source)

    @property
    def entries(self) -> list[tuple[str, int, float]]:
        facts = json.loads((self.run.folder / "run.json").read_text())
        return [(entry["name"], entry["height"], entry["fps"]) for entry in facts["renditions"]]

    @property
    def row(self) -> Broadcast:
        return Broadcast.objects.get(pk=self.broadcast.pk)


def test_a_guess_that_held_is_written_down_as_what_it_is(
    stream: Stream, run: RunHandle, tmp_path: Path
) -> None:
    put_on_air(stream, ago=100, source=record_of(HD, 2.0))
    watched = Watched(stream, run, tmp_path)
    assert (watched.sees(None), watched.source.settled) == (False, False)
    faster = dataclasses.replace(HD, video=Video("h264", 1280, 720, 30.0))
    assert (watched.sees(faster), watched.source.settled) == (False, True)
    assert watched.entries == [("720p", 720, 30.0), ("480p", 480, 30.0), ("360p", 360, 30.0)]
    assert watched.row.source == record_of(faster, 2.0)
    assert [rendition["name"] for rendition in watched.row.renditions] == ["720p", "480p", "360p"]


def test_a_wrong_guess_is_told(stream: Stream, run: RunHandle, tmp_path: Path) -> None:
    put_on_air(stream, ago=100, source=record_of(HD, 2.0))
    watched = Watched(stream, run, tmp_path)
    assert watched.sees(FULL_HD)
    assert watched.row.renditions == []


def test_sound_that_is_missing_may_still_come(
    stream: Stream, run: RunHandle, tmp_path: Path
) -> None:
    put_on_air(stream, ago=100, source=record_of(HD, 2.0))
    watched = Watched(stream, run, tmp_path)
    assert not watched.sees(dataclasses.replace(HD, audio=None))
    assert not watched.sees(HD)
    assert watched.source.settled


def test_a_run_for_an_unknown_source_turns_out_to_have_what_it_needs(
    stream: Stream, run: RunHandle, tmp_path: Path
) -> None:
    watched = Watched(stream, run, tmp_path)
    assert not watched.sees(HD)
    assert watched.entries == [("1080p", 720, 25.0), ("480p", 480, 25.0), ("360p", 360, 25.0)]
    assert watched.row.source == record_of(HD)


def test_an_adopted_run_whose_guess_nobody_confirmed_is_replaced(
    stream: Stream, run: RunHandle, tmp_path: Path
) -> None:
    watched = Watched(stream, run, tmp_path)
    row = Run.objects.get(pk=run.run_id)
    row.renditions = [{"name": "720p"}]
    watched.source.adopt(watched.row, row)
    assert watched.sees(HD)


def test_the_distance_of_key_frames_is_remembered(
    stream: Stream, run: RunHandle, tmp_path: Path
) -> None:
    watched = Watched(stream, run, tmp_path)
    watched.sees(HD)
    noted = "#tb 0: 1/1000\n0, 10000, 10000, 33, 1, 0x0\n0, 18333, 18333, 33, 1, 0x0\n"
    (run.folder / "keyframes.txt").write_text(noted)
    watched.source.learn_key_frames(run)
    assert watched.row.source["key_frame_distance"] == pytest.approx(8.333)
