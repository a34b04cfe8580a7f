"""Two real runs of one broadcast, read over HTTP by FFmpeg as a player would."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import uvicorn

from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.renditions import choose
from streams.ladder.rungs import Rung
from streams.ladder.source import Audio, Source, Video
from streams.origin import run_folder
from streams.origin.app import create_app
from tests.streams.origin import rfc8216
from tests.streams.origin.conftest import BROADCAST, NOON, STREAM

SOURCE = Source(Video("h264", 320, 180, 30.0), Audio("aac", 44_100, 1))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HLS_ROOT with a broadcast of two runs of 5 s, the second one without the top rendition."""
    folder = tmp_path_factory.mktemp("station")
    clip, root = folder / "clip.flv", folder / "hls"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30",
         "-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "5", "-pix_fmt", "yuv420p",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "60", "-c:a", "aac", clip],
        check=True,
    )  # fmt: skip
    run_folder.open_broadcast(root, STREAM, BROADCAST, NOON, 30)
    for number, allow_copy in ((1, True), (2, False)):
        ladder = choose(SOURCE, [Rung(144, 300_000), Rung(90, 150_000)], allow_copy=allow_copy)
        run = run_folder.open_run(root, STREAM, BROADCAST, f"{number:032x}", number, ladder, 2)
        command = ffmpeg_arguments(SOURCE, ladder, input_url=str(clip), folder=run.folder)
        subprocess.run(command, check=True, capture_output=True)
    return root


@contextmanager
def served(root: Path) -> Iterator[str]:
    """A server with the origin alone; the address of the stream on it."""
    config = uvicorn.Config(create_app(root), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/hls/{STREAM}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with served(root) as url:
        yield url


@pytest.fixture(scope="module")
def ended_url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same broadcast after its end, so that a player stops by itself."""
    copy = tmp_path_factory.mktemp("ended") / "hls"
    shutil.copytree(root, copy, symlinks=True)
    run_folder.end_broadcast(copy, STREAM, BROADCAST, NOON)
    with served(copy) as url:
        yield f"{url}/{BROADCAST}"


def test_the_master_tells_codecs_size_and_rates(url: str) -> None:
    with urlopen(url) as answer:
        text = answer.read().decode()
    attributes = re.findall(
        r"BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+),CODECS=\"(.*?)\",RESOLUTION=(.*),FRAME-RATE=(.*)",
        text,
    )
    peaks, averages, codecs, sizes, rates = zip(*attributes, strict=True)
    assert sizes == ("256x144", "160x90")
    assert rates == ("30.000", "30.000")
    assert all(re.fullmatch(r"avc1\.6400[0-9a-f]{2},mp4a\.40\.2", codec) for codec in codecs)
    # The planned rates are the floor: 300 and 150 kbit/s and 128 kbit/s of sound.
    assert int(peaks[0]) >= 428_000
    assert int(peaks[1]) >= 278_000
    assert all(int(a) <= int(p) for a, p in zip(averages, peaks, strict=True))


def test_a_player_reads_both_runs_of_a_rendition(url: str) -> None:
    with urlopen(f"{url}/{BROADCAST}/90p.m3u8") as answer:
        playlist = rfc8216.parse(answer.read().decode())
    assert len(playlist.entries) == 6
    assert playlist.tags == (3,)


def test_a_player_finds_every_rendition_by_the_master(url: str) -> None:
    streams = probe(url)
    assert [s.get("width") for s in streams] == [256, None, 160, None]
    assert {s["codec_name"] for s in streams} == {"h264", "aac"}


@pytest.mark.parametrize("rendition", ["180p", "144p", "90p"])
def test_every_frame_of_both_runs_arrives(ended_url: str, rendition: str) -> None:
    picture, sound = probe(f"{ended_url}/{rendition}.m3u8", "-count_packets")
    assert int(picture["nb_read_packets"]) == 300
    assert int(sound["nb_read_packets"]) == pytest.approx(2 * 5 * 44_100 / 1024, abs=4)


def test_both_runs_decode_without_a_complaint(ended_url: str) -> None:
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", f"{ended_url}/90p.m3u8", "-f", "null", "-"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert decoded.stderr == ""


def probe(url: str, *options: str) -> list[dict[str, Any]]:
    probed = subprocess.run(
        ["ffprobe", "-v", "error", *options, "-show_streams", "-of", "json", url],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    streams: list[dict[str, Any]] = json.loads(probed.stdout)["streams"]
    return streams
