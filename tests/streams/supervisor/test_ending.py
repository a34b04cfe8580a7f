"""Every way a run can end: a table, and FFmpegs that really end so."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from streams.supervisor.ending import (
    MEANINGS,
    OUT_OF_MEMORY,
    SENTENCES,
    classify,
    explain,
    farewell,
    not_started,
)
from streams.supervisor.look import is_full, last_words
from streams.supervisor.process import Process
from streams.supervisor.progress import read as read_progress
from streams.supervisor.states import EndReason

REFUSED = "rtmp://127.0.0.1:1935/live/x: Input/output error"
BROKEN = "rtmp://127.0.0.1:1935/live/x: Invalid data found when processing input"
DAMAGED = "Error while decoding stream #0:0: Invalid data found when processing input"
FULL = "av_interleaved_write_frame(): No space left on device"
DISK_FAULT = "av_interleaved_write_frame(): Input/output error"
# An event or a broadcast's note takes 255; what was tried may stand before it.
LONGEST = 220


@pytest.mark.parametrize(
    ("exit_code", "produced", "finished", "log", "reason"),
    [
        (0, True, True, "", EndReason.PUBLISHER_GONE),
        (0, True, True, DAMAGED, EndReason.PUBLISHER_GONE),
        (0, True, True, FULL, EndReason.DISK_FULL),
        (-signal.SIGKILL, True, False, "", EndReason.KILLED),
        (-signal.SIGKILL, True, False, FULL, EndReason.KILLED),
        (-signal.SIGTERM, True, False, "", EndReason.KILLED),
        (255, True, True, "Exiting normally, received signal 15.", EndReason.KILLED),
        (255, True, True, FULL, EndReason.DISK_FULL),
        (-signal.SIGSEGV, True, False, "", EndReason.ENCODER_CRASHED),
        (1, False, False, REFUSED, EndReason.INPUT_NOT_READY),
        (1, True, False, REFUSED, EndReason.ENCODER_CRASHED),
        (1, False, False, DISK_FAULT, EndReason.ENCODER_CRASHED),
        (1, False, False, BROKEN, EndReason.INPUT_UNREADABLE),
        (1, True, True, BROKEN, EndReason.ENCODER_CRASHED),
        (1, False, True, DAMAGED, EndReason.ENCODER_CRASHED),
        (1, True, True, FULL, EndReason.DISK_FULL),
        (228, True, False, FULL, EndReason.DISK_FULL),
        (1, True, False, "Conversion failed!", EndReason.ENCODER_CRASHED),
        # Adopted: nobody learns the code, and FFmpeg writes progress=end after errors too.
        (None, True, True, "", EndReason.PUBLISHER_GONE),
        (None, True, True, DAMAGED, EndReason.PUBLISHER_GONE),
        (None, True, True, REFUSED, EndReason.PUBLISHER_GONE),
        (None, True, True, DISK_FAULT, EndReason.ENCODER_CRASHED),
        (None, True, True, FULL, EndReason.DISK_FULL),
        (None, True, False, "", EndReason.KILLED),
        (None, False, False, "", EndReason.KILLED),
        (None, False, False, REFUSED, EndReason.INPUT_NOT_READY),
        (None, False, False, BROKEN, EndReason.INPUT_UNREADABLE),
    ],
)
def test_it_classifies(
    exit_code: int | None, produced: bool, finished: bool, log: str, reason: EndReason
) -> None:
    found = classify(asked=None, exit_code=exit_code, finished=finished, produced=produced, log=log)
    assert found is reason


@pytest.mark.parametrize(
    "asked",
    [EndReason.REQUESTED, EndReason.STALLED, EndReason.SLOW, EndReason.REPLANNED],
)
def test_what_we_asked_for_is_the_reason(asked: EndReason) -> None:
    found = classify(asked=asked, exit_code=-9, finished=False, produced=True, log=BROKEN)
    assert found is asked


def test_a_stall_on_a_full_disk_is_the_disks() -> None:
    found = classify(
        asked=EndReason.STALLED,
        exit_code=255,
        finished=True,
        produced=True,
        log="",
        disk_full=True,
    )
    assert found is EndReason.DISK_FULL


@dataclass
class Bench:
    """Starts FFmpegs as runs are, into a folder, and says how they ended."""

    folder: Path
    processes: list[Process]

    def start(self, source: str, target: str | None = None, *options: str) -> Process:
        output = options or ("-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_flags", "temp_file")
        argv = ["ffmpeg", "-nostdin", "-hide_banner", "-y", "-loglevel", "warning",
                "-stats_period", "0.1", "-progress", str(self.folder / "progress.txt"),
                *source.split(), *output, target or str(self.folder / "index.m3u8")]  # fmt: skip
        log = self.folder.parent / "ffmpeg.log"
        process = Process.spawn(argv, run_id=uuid4().hex, root=self.folder, log=log)
        self.processes.append(process)
        return process

    def wait_for_segment(self) -> None:
        deadline = time.monotonic() + 15
        while not list(self.folder.glob("*.ts")):
            assert time.monotonic() < deadline, self.words
            time.sleep(0.02)

    @property
    def words(self) -> str:
        return last_words(self.folder.parent / "ffmpeg.log")

    def reason(self, process: Process, asked: EndReason | None = None) -> EndReason:
        assert process.wait(15), self.words
        return self._classify(asked, process.exit_code)

    def reason_if_adopted(self, process: Process) -> EndReason:
        assert process.wait(15), self.words
        return self._classify(None, None)

    def _classify(self, asked: EndReason | None, exit_code: int | None) -> EndReason:
        progress = read_progress(self.folder / "progress.txt")
        return classify(
            asked=asked,
            exit_code=exit_code,
            finished=progress is not None and progress.ended,
            produced=any(file.stat().st_size for file in self.folder.glob("*.ts")),
            log=self.words,
            disk_full=is_full(self.folder),
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "run"
    folder.mkdir()
    bench = Bench(folder, [])
    yield bench
    for process in bench.processes:
        if not process.exited:
            process.put_down(patience=0.0)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> str:
    """FFmpeg's input options for twenty seconds, at the pace of a live stream."""
    return f"-re -i {_clip(tmp_path_factory.mktemp('live'), 20)}"


def _clip(folder: Path, seconds: int) -> Path:
    file = folder / "clip.flv"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=10",
         "-t", str(seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
         "-g", "10", str(file)], check=True,
    )  # fmt: skip
    return file


def test_an_input_that_ends_is_a_publisher_who_left(bench: Bench, tmp_path: Path) -> None:
    process = bench.start(f"-i {_clip(tmp_path, 3)}")
    assert bench.reason(process) is EndReason.PUBLISHER_GONE
    assert bench.reason_if_adopted(process) is EndReason.PUBLISHER_GONE


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGTERM, EndReason.KILLED),
        (signal.SIGKILL, EndReason.KILLED),
        (signal.SIGSEGV, EndReason.ENCODER_CRASHED),
    ],
)
def test_a_signal_from_outside(
    bench: Bench, live: str, number: signal.Signals, reason: EndReason
) -> None:
    process = bench.start(live)
    bench.wait_for_segment()
    os.kill(process.pid, number)
    assert bench.reason(process) is reason


def test_ffmpeg_that_is_adopted_and_killed(bench: Bench, live: str) -> None:
    process = bench.start(live)
    bench.wait_for_segment()
    process.kill()
    assert bench.reason_if_adopted(process) is EndReason.KILLED


def _hangs_up(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.close()


@pytest.mark.parametrize("answer", [None, _hangs_up])
def test_an_ingest_that_is_not_there_or_hangs_up(
    bench: Bench, answer: Callable[[socket.socket], None] | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/x"
        if answer is None:
            server.close()
        process = bench.start(f"-i {url}")
        if answer is not None:
            answer(server)
        assert bench.reason(process) is EndReason.INPUT_NOT_READY
    assert bench.reason_if_adopted(process) is EndReason.INPUT_NOT_READY


def test_an_input_that_is_no_media(bench: Bench, tmp_path: Path) -> None:
    noise = tmp_path / "noise.flv"
    # Always the same: one noise in 1500 looks like H.263 to FFmpeg.
    noise.write_bytes(Random(1).randbytes(50_000))
    process = bench.start(f"-i {noise}")
    assert bench.reason(process) is EndReason.INPUT_UNREADABLE
    assert bench.reason_if_adopted(process) is EndReason.INPUT_UNREADABLE


def test_a_picture_that_was_promised_and_is_missing(bench: Bench) -> None:
    process = bench.start("-f lavfi -i sine", None, "-map", "0:v")
    assert bench.reason(process) is EndReason.INPUT_UNREADABLE


def test_an_encoder_that_does_not_start(bench: Bench, live: str) -> None:
    process = bench.start(live, None, "-c:v", "libx264", "-preset", "nonsense")
    assert bench.reason(process) is EndReason.ENCODER_CRASHED


def test_a_device_without_room(bench: Bench, tmp_path: Path) -> None:
    process = bench.start(f"-i {_clip(tmp_path, 3)}", "/dev/full", "-c", "copy", "-f", "mpegts")
    assert bench.reason(process) is EndReason.DISK_FULL
    assert bench.reason_if_adopted(process) is EndReason.DISK_FULL


def test_a_folder_that_is_removed_under_ffmpeg(bench: Bench, live: str) -> None:
    process = bench.start(live, None, "-c", "copy", "-f", "hls", "-hls_time", "1")
    bench.wait_for_segment()
    shutil.rmtree(bench.folder)
    assert bench.reason(process) is EndReason.ENCODER_CRASHED
    assert "folder of the run vanished" in explain(EndReason.ENCODER_CRASHED, bench.words)


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(bench.folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root mounts a small disk")
    yield bench.folder
    subprocess.run(["umount", "-l", str(bench.folder)], check=True)


def test_a_disk_that_fills_up_under_ffmpeg(bench: Bench, small_disk: Path, live: str) -> None:
    """It goes on without writing, its progress stands still, so it is stopped for a stall."""
    process = bench.start(live)
    bench.wait_for_segment()
    with (small_disk / "filling").open("wb", buffering=0) as file:
        while not is_full(small_disk):
            file.write(b"x" * 4096)
    process.terminate()
    assert bench.reason(process, asked=EndReason.STALLED) is EndReason.DISK_FULL


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_has_its_sentence(reason: EndReason) -> None:
    assert explain(reason, "").endswith(".")


def test_every_sentence_fits_into_the_record() -> None:
    texts = [*SENTENCES.values(), *(meaning for _, meaning in MEANINGS), OUT_OF_MEMORY]
    assert max(len(text) for text in texts) <= LONGEST


def test_ffmpegs_last_words_make_the_sentence_precise() -> None:
    assert "x264" in explain(EndReason.ENCODER_CRASHED, "Unknown encoder 'libx264'", 1)


def test_a_kill_is_explained_by_a_lack_of_memory() -> None:
    assert "out of memory" in explain(EndReason.KILLED, "", -signal.SIGKILL)
    assert "out of memory" not in explain(EndReason.KILLED, "", 255)


def test_a_program_that_is_missing_is_named() -> None:
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "ffmpeg")
    assert "not installed" in explain(not_started(error), str(error))


def test_a_run_that_cannot_start_on_a_full_disk_says_so() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "run.json")
    assert "disk is full" in explain(not_started(error), str(error))


def test_the_end_of_a_broadcast_is_told_as_such() -> None:
    assert "broadcast is over" in farewell(EndReason.PUBLISHER_GONE)
    assert farewell(EndReason.INPUT_UNREADABLE) == SENTENCES[EndReason.INPUT_UNREADABLE]


def test_a_fault_of_ffmpeg_is_named() -> None:
    assert "SIGSEGV" in explain(EndReason.ENCODER_CRASHED, "", -signal.SIGSEGV)
