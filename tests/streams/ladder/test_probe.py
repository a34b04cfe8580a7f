import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.ladder.probe import ProbeError, probe
from streams.ladder.source import Audio, Source, Video


def test_it_reads_what_the_file_carries(clip: Callable[..., Path]) -> None:
    assert probe(str(clip()), 10) == Source(Video("h264", 320, 180, 30.0), Audio("aac", 44_100, 1))


def test_it_reads_a_broken_frame_rate(clip: Callable[..., Path]) -> None:
    video = probe(str(clip(rate="30000/1001", sound=None)), 10).video
    assert video is not None
    assert video.fps == pytest.approx(29.97, abs=0.01)


def test_it_knows_a_picture_that_browsers_do_not_decode(tmp_path: Path) -> None:
    file = tmp_path / "444.mp4"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:duration=0.2",
         "-c:v", "libx264", "-pix_fmt", "yuv444p", str(file)], check=True,
    )  # fmt: skip
    video = probe(str(file), 10).video
    assert video is not None
    assert not video.playable


def test_a_missing_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="No such file"):
        probe(str(tmp_path / "missing.flv"), 10)


def test_it_reads_from_no_web_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        with pytest.raises(ProbeError):
            probe(f"http://127.0.0.1:{server.getsockname()[1]}/list.m3u8", 10)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_secret_of_ours_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffprobe"
    program.write_text(f'#!/bin/sh\nenv > {tmp_path}/seen; echo "$@" >> {tmp_path}/seen\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SECRET_KEY", "hush-hush")
    with pytest.raises(ValueError, match="Expecting value"):  # it prints no JSON
        probe("rtmp://127.0.0.1/live/x", 10)
    assert "hush-hush" not in (tmp_path / "seen").read_text()


def test_a_server_that_says_nothing_runs_into_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/x"
        with pytest.raises(ProbeError, match=r"no answer within 0\.5 s"):
            probe(url, 0.5)
