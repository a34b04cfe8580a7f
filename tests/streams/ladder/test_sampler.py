"""Samples that a real ffprobe takes of what a real FFmpeg made."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.ladder import sampler as module
from streams.ladder.lint import lint
from streams.ladder.rungs import Rung
from streams.ladder.sample import Sample
from streams.ladder.sampler import Inspection, Inspector, Sampler

SECONDS = 6.0
RUNGS = (Rung(36, 100_000),)
SHAPE = ("h264", 64, 36)
NOISE = "nullsrc=s=64x36:r=30,geq=random(1)*255:128:128"
Make = Callable[..., Path]


@pytest.fixture(scope="session")
def flv(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """flv("-g 60", source=…, sound=…) -> eight seconds of a publisher's stream."""
    folder = tmp_path_factory.mktemp("flv")

    def make(
        options: str = "",
        source: str = NOISE,
        sound: str | None = "sine=sample_rate=44100",
    ) -> Path:
        file = folder / f"{len(list(folder.iterdir()))}.flv"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source]
        command += ["-f", "lavfi", "-i", sound] if sound else []
        command += ["-t", "8", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"]
        command += ["-g", "60", "-sc_threshold", "0", "-b:v", "100k", "-maxrate", "100k"]
        command += ["-bufsize", "100k", "-c:a", "aac", *options.split(), str(file)]
        subprocess.run(command, check=True)
        return file

    return make


def sample_of(url: str, seconds: float = SECONDS) -> Sample:
    sampler = Sampler(url, seconds, time.monotonic())
    try:
        wait_until_done(sampler)
        sample = sampler.take()
    finally:
        sampler.close()
    assert sample is not None
    return sample


def wait_until_done(sampler: Sampler) -> None:
    while not sampler.done(time.monotonic()):
        time.sleep(0.02)


def codes(sample: Sample) -> list[str]:
    return [finding.code for finding in lint(sample, RUNGS)]


@pytest.mark.parametrize(
    ("options", "source", "sound", "expected"),
    [
        ("", NOISE, "sine=sample_rate=44100", []),
        ("", NOISE, None, ["no_audio"]),
        ("-g 250", NOISE, "sine", ["key_frames_far_apart"]),
        ("-bf 2", NOISE, "sine", ["b_frames"]),
        ("-force_key_frames 0.5,2.5", NOISE, "sine", ["key_frames_irregular"]),
        (
            "-fps_mode vfr -force_key_frames expr:gte(t,n_forced*2)",
            f"{NOISE},select=lt(random(2)\\,0.6)",
            "sine",
            ["variable_frame_rate"],
        ),
        ("-r 37", NOISE.replace("r=30", "r=37"), "sine", ["frame_rate"]),
        ("-b:v 900k -maxrate 900k -bufsize 900k", NOISE, "sine", ["bitrate_high"]),
        ("-pix_fmt yuv444p", NOISE, "sine", ["video_profile"]),
        ("-s 63x36 -pix_fmt yuv444p", NOISE, "sine", ["video_profile", "odd_size"]),
        ("-s 120x36 -aspect 10:3", NOISE, "sine", ["unusual_size"]),
        ("-ar 22050", NOISE, "sine", ["audio_sample_rate"]),
        ("-c:a libmp3lame -ar 44100", NOISE, "sine", ["audio_codec"]),
        ("-vn", NOISE, "sine", ["no_video"]),
    ],
)
def test_what_ffmpeg_made_so_is_found(
    flv: Make, options: str, source: str, sound: str | None, expected: list[str]
) -> None:
    assert codes(sample_of(str(flv(options, source, sound)))) == expected


def test_the_key_frame_distance_is_measured_as_it_was_set(flv: Make) -> None:
    picture = sample_of(str(flv("-g 45"))).picture
    assert picture is not None
    assert picture.longest_key_frame_distance == pytest.approx(1.5, abs=0.01)


def test_a_stream_that_comes_as_time_passes_is_read_for_so_long(flv: Make, tmp_path: Path) -> None:
    pipe = tmp_path / "live"
    os.mkfifo(pipe)
    publisher = subprocess.Popen(
        ["ffmpeg", "-nostdin", "-v", "quiet", "-y", "-re", "-i", str(flv()), "-c", "copy",
         "-f", "flv", str(pipe)]
    )  # fmt: skip
    try:
        picture = sample_of(str(pipe), seconds=2.0).picture
    finally:
        publisher.kill()
        publisher.wait()
    assert picture is not None
    assert picture.seconds == pytest.approx(2.0, abs=0.2)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of an ingest that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"rtmp://127.0.0.1:{server.getsockname()[1]}/live"


def test_it_is_nice_knows_no_secret_and_is_killed_at_its_deadline(silent: str) -> None:
    sampler = Sampler(f"{silent}/x", SECONDS, now=100.0)
    try:
        assert os.getpriority(os.PRIO_PROCESS, sampler.pid) >= module.NICE
        assert b"SECRET" not in Path(f"/proc/{sampler.pid}/environ").read_bytes()
        assert not sampler.done(now=100.0 + SECONDS)
        assert sampler.done(now=100.0 + SECONDS + module.PATIENCE)
        assert sampler.take() is None
    finally:
        sampler.close()


class Visit:
    """An inspector, looked at as a supervisor does, with a clock of its own."""

    def __init__(self, pull_url: str) -> None:
        self.inspector = Inspector(SECONDS)
        self._pull_url = pull_url
        self.now = 1000.0

    def look(
        self, name: str, shape: tuple[object, ...] = SHAPE, run_age: float = 60.0
    ) -> Inspection | None:
        return self.inspector.look(
            self.now, f"{self._pull_url}/{name}", shape, run_age, lambda: RUNGS
        )

    def result(self, name: str, shape: tuple[object, ...] = SHAPE) -> Inspection:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            found = self.look(name, shape)
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError("no inspection")

    @property
    def busy(self) -> bool:
        return self.inspector._sampler is not None


@pytest.fixture
def visit(flv: Make) -> Iterator[Visit]:
    visit = Visit(str(flv("-g 250").parent))
    yield visit
    visit.inspector.close()


@pytest.fixture(scope="session")
def file(flv: Make) -> str:
    return flv("-g 250").name


def test_a_publisher_is_inspected_once(visit: Visit, file: str) -> None:
    found = visit.result(file)
    assert [finding.code for finding in found.findings] == ["key_frames_far_apart"]
    assert found.key_frame_distance is not None
    assert found.key_frame_distance > SECONDS - 0.5
    assert visit.look(file) is None
    assert not visit.busy


def test_it_is_inspected_again_when_it_changed(visit: Visit, file: str) -> None:
    visit.result(file)
    visit.result(file, ("h264", 32, 18))


def test_the_start_of_a_run_is_left_in_peace(visit: Visit, file: str) -> None:
    visit.look(file, run_age=module.AFTER_START - 0.1)
    assert not visit.busy


def test_a_sample_of_a_publisher_that_was_replaced_is_dropped(silent: str, flv: Make) -> None:
    visit = Visit(silent)
    visit.look("old")
    assert visit.busy
    visit.look("new")
    assert not visit.busy


def test_without_a_sample_it_tries_again_later(visit: Visit) -> None:
    visit.look("missing.flv")
    deadline = time.monotonic() + 10
    while visit.busy:
        assert time.monotonic() < deadline
        visit.look("missing.flv")
        time.sleep(0.02)
    visit.look("missing.flv")
    assert not visit.busy
    visit.now += module.AGAIN_AFTER
    visit.look("missing.flv")
    assert visit.busy


def test_only_a_few_are_inspected_at_once(silent: str) -> None:
    visits = [Visit(silent) for _ in range(module.AT_ONCE + 1)]
    try:
        for visit in visits:
            visit.look("x")
        assert [visit.busy for visit in visits] == [True] * module.AT_ONCE + [False]
        visits[0].inspector.close()
        visits[-1].look("x")
        assert visits[-1].busy
    finally:
        for visit in visits:
            visit.inspector.close()


def test_without_ffprobe_nothing_is_found_and_nothing_is_held(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    visits = [Visit(silent) for _ in range(module.AT_ONCE + 1)]
    for visit in visits:
        assert visit.look("x") is None
    monkeypatch.undo()
    visits[0].now += module.AGAIN_AFTER
    visits[0].look("x")
    assert visits[0].busy
    visits[0].inspector.close()
