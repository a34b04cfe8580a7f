"""A real FFmpeg on a small disk of its own: live goes on, the oldest segments go first."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from streams import disk
from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.renditions import choose
from streams.ladder.source import Source, Video
from streams.origin import init_segment, pressure, run_folder
from streams.origin.app import create_app
from streams.origin.pressure import Level, Watermark
from tests.streams.origin import rfc8216
from tests.streams.origin.conftest import BROADCAST, STREAM, ask

SOURCE = Source(Video("h264", 320, 180, 10.0), None)
SIZE = 16_000_000
# Segments of a second, four a second, 250 kB each: a window of 30 and the spare ones need 9 MB.
PACE = ("-readrate", "4")
TRACK = 1
BALLAST = 9_000_000


@pytest.fixture
def root(tmp_path: Path, settings: LazySettings) -> Iterator[Path]:
    settings.DISK_LOW = Watermark.parse("4000000")
    settings.DISK_MIN_FREE = Watermark.parse("3000000")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", tmp_path],
        capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10",
         "-t", "100", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10",
         "-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "2M",
         "-x264-params", "nal-hrd=cbr", path],
        check=True,
    )  # fmt: skip
    return path


class Encoder:
    """FFmpeg, begun anew as the supervisor does should it end."""

    def __init__(self, root: Path, clip: Path) -> None:
        self._root, self._clip = root, clip
        self._ladder = choose(SOURCE, [], allow_copy=True)
        self._runs = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.keep()

    def keep(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._runs += 1
            with suppress(OSError):  # the disk is full
                self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        now = timezone.now()
        run_folder.open_broadcast(self._root, STREAM, BROADCAST, now, 30)
        run_id = f"{self._runs:08x}" * 4
        opened = run_folder.open_run(
            self._root, STREAM, BROADCAST, run_id, self._runs, self._ladder, 1
        )
        argv = ffmpeg_arguments(
            SOURCE, self._ladder, input_url=str(self._clip), folder=opened.folder, segment_seconds=1
        )
        at = argv.index("-i")
        argv[at:at] = PACE
        with (opened.folder / "ffmpeg.log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def encoder(root: Path, clip: Path) -> Iterator[Encoder]:
    encoder = Encoder(root, clip)
    yield encoder
    encoder.stop()


class Viewer:
    """Asks for the playlist and everything on it, and holds each answer against the one before."""

    def __init__(self, root: Path) -> None:
        self._app = create_app(root)
        self.seen: rfc8216.Playlist | None = None

    def look(self) -> None:
        base = f"/hls/{STREAM}/{BROADCAST}"
        answer = asyncio.run(ask(self._app, f"{base}/180p.m3u8"))
        if answer.status != 200:
            assert self.seen is None, answer.text
            return
        playlist = rfc8216.parse(answer.text)
        if self.seen is not None:
            rfc8216.check_update(self.seen, playlist)
        self.seen = playlist
        for entry in playlist.entries:
            segment = asyncio.run(ask(self._app, f"{base}/{entry.uri}"))
            assert segment.status == 200
            assert init_segment.count_samples(segment.body, TRACK) == 10

    @property
    def end(self) -> int:
        return self.seen.sequence + len(self.seen.entries) if self.seen is not None else 0

    @property
    def window(self) -> int:
        return len(self.seen.entries) if self.seen is not None else 0


def until(reached: Callable[[], bool], *each_time: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        for call in each_time:
            call()
        time.sleep(0.1)


def free(root: Path) -> int:
    return disk.measure(root).free


@pytest.mark.django_db
def test_live_goes_on_when_the_disk_has_filled_up(root: Path, encoder: Encoder) -> None:
    viewer = Viewer(root)
    until(lambda: viewer.end >= 12, viewer.look)
    (root / "ballast").write_bytes(bytes(BALLAST))
    until(lambda: free(root) == 0, viewer.look)
    stuck_at = viewer.end
    until(lambda: viewer.end >= stuck_at + 4, lambda: disk.relieve(root), encoder.keep, viewer.look)
    assert viewer.seen is not None
    assert viewer.seen.sequence > 0
    assert pressure.read(root)[0] >= Level.SCARCE


@pytest.mark.django_db
def test_a_disk_that_is_watched_never_fills_up(root: Path, encoder: Encoder) -> None:
    viewer, least = Viewer(root), SIZE
    (root / "ballast").write_bytes(bytes(BALLAST))

    def relieve() -> None:
        nonlocal least
        disk.relieve(root)
        encoder.keep()
        least = min(least, free(root))

    until(lambda: viewer.end >= 45, relieve, viewer.look)
    assert least > 0
    assert viewer.window < 20
    assert pressure.read(root)[0] >= Level.LOW


@pytest.mark.django_db
def test_the_window_grows_again_once_there_is_room(root: Path, encoder: Encoder) -> None:
    viewer = Viewer(root)
    until(lambda: viewer.end >= 20, viewer.look)
    pressure.remember(root, Level.FULL)
    until(lambda: viewer.window < 12, lambda: disk.relieve(root), viewer.look)
    long_ago = (timezone.now() - timedelta(seconds=pressure.QUIET + 1)).timestamp()
    os.utime(root / pressure.LINK, (long_ago, long_ago), follow_symlinks=False)
    until(lambda: viewer.window == 30, lambda: disk.relieve(root), viewer.look)
    assert pressure.read(root)[0] is Level.ROOM
