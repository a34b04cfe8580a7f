"""Continuations: a host that never saw the runs before asks the store, and manages without it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from streams import continuation
from streams.models import Broadcast, Run, Stream
from streams.origin import run_folder
from streams.origin.run_folder import NOTHING_BEFORE, Before
from tests.streams.origin.conftest import Writer, rendition
from tests.streams.origin.far import FarStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def far(tmp_path: Path, settings: LazySettings) -> Iterator[FarStore]:
    far = FarStore(tmp_path / "far").start()
    settings.DELIVER_TO = [f"http://127.0.0.1:{far.port}"]
    settings.INGEST_SECRET = far.place.secret
    continuation._stores.cache_clear()
    yield far
    for store in continuation._stores():
        store.close()
    continuation._stores.cache_clear()
    far.stop()


@pytest.fixture
def run(stream: Stream, tmp_path: Path) -> Run:
    """Another host's, of which four segments are on record."""
    broadcast = Broadcast.objects.create(stream=stream, open_key=stream.pk)
    run_folder.open_broadcast(tmp_path, "stream", broadcast.pk.hex, timezone.now(), 30, fence=2)
    return Run.objects.create(
        broadcast=broadcast, number=3, fence=1, host="far", first_sequence=100, segments=4,
        folder=f"stream/{broadcast.pk.hex}/0003-10000000", renditions=[{"name": "360p"}],
    )  # fmt: skip


def deliver(far: FarStore, run: Run, fence: int, segments: int) -> None:
    """What is in the store of it."""
    folder = run_folder.open_broadcast(
        far.root, "stream", run.broadcast_id.hex, timezone.now(), 30, fence
    )
    names = ("720p", "360p")
    opened = run_folder.open_run(
        far.root, "stream", run.broadcast_id.hex, "1" + "0" * 31, 3,
        [rendition(name) for name in names], 2, fence, Before(2, 100, 2, ("1080p",)),
    )  # fmt: skip
    assert opened.folder == folder / "0003-10000000"
    Writer(opened.folder, names, timezone.now()).write(segments)


def test_it_is_just_behind_what_players_were_told(far: FarStore, run: Run, tmp_path: Path) -> None:
    deliver(far, run, fence=1, segments=6)
    found = continuation.after(run.broadcast, tmp_path)
    assert found == Before(3, 106, 3, ("1080p", "360p", "720p"))


def test_the_store_knows_of_our_fence_before_we_count(
    far: FarStore, run: Run, tmp_path: Path
) -> None:
    deliver(far, run, fence=1, segments=6)
    continuation.after(run.broadcast, tmp_path)
    manifest = far.root / "stream" / run.broadcast_id.hex / "broadcast.json"
    assert json.loads(manifest.read_text())["fence"] == 2


def test_a_run_that_made_nothing_is_no_discontinuity(
    far: FarStore, run: Run, tmp_path: Path
) -> None:
    deliver(far, run, fence=1, segments=0)
    found = continuation.after(run.broadcast, tmp_path)
    assert (found.sequence, found.discontinuities) == (100, 2)


def test_without_a_store_its_numbers_go_on_with_a_gap(
    far: FarStore, run: Run, tmp_path: Path
) -> None:
    deliver(far, run, fence=1, segments=6)
    far.stop()
    found = continuation.after(run.broadcast, tmp_path)
    assert found == Before(3, 104 + continuation.UNREPORTED, 1, ("360p",))


def test_a_store_that_knows_nothing_of_it_is_no_help(
    far: FarStore, run: Run, tmp_path: Path
) -> None:
    assert continuation.after(run.broadcast, tmp_path).sequence == 104 + continuation.UNREPORTED


def test_the_first_run_begins_at_the_beginning(stream: Stream, tmp_path: Path) -> None:
    broadcast = Broadcast.objects.create(stream=stream)
    assert continuation.after(broadcast, tmp_path) == NOTHING_BEFORE


def test_a_run_whose_host_was_lost_before_it_had_a_folder_makes_no_difference(
    far: FarStore, run: Run, tmp_path: Path
) -> None:
    deliver(far, run, fence=1, segments=6)
    Run.objects.create(broadcast=run.broadcast, number=4, fence=1, host="far")
    assert continuation.after(run.broadcast, tmp_path).sequence == 106
