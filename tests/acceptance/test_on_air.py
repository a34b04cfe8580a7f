"""A streamer publishes; what players, programs and strangers then get from the real stack."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.origin.app import FRESH
from tests.acceptance.playlist import Media, Segment, Variant, media, variants
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.answer import fetch

IMMUTABLE = "public, max-age=31536000, immutable"
PLAYLIST = "application/vnd.apple.mpegurl"
PORTS = ("web", "edge", "backend")


@pytest.fixture(scope="module")
def publisher(stack: Stack) -> Iterator[Publisher]:
    # Another test may have been on air just now.
    until(
        lambda: stack.get("/api/streams/stream").json["state"] == "offline",
        20,
        "the stream is off air",
    )
    started = time.monotonic()
    with Publisher(stack.rtmp, stack.key) as publisher:
        until(lambda: variants(stack, "stream"), 20, "a master playlist")
        stack.note("publish to first playable playlist", started)
        yield publisher


@pytest.fixture
def ladder(stack: Stack, publisher: Publisher) -> list[Variant]:
    return variants(stack, "stream")


@pytest.fixture
def playlists(stack: Stack, ladder: list[Variant]) -> list[Media]:
    """The media playlist of each rendition, once it has two segments."""

    def look() -> list[Media]:
        found = [media(stack, variant.path) for variant in ladder]
        return found if all(len(playlist.segments) > 1 for playlist in found) else []

    return until(look, 10, "two segments of each rendition")


def test_the_ladder_never_exceeds_the_source(ladder: list[Variant]) -> None:
    assert [variant.height for variant in ladder] == [720, 480, 360]
    for variant in ladder:
        told = {"BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE"}
        assert told <= set(variant.attributes)


def test_a_source_with_sane_key_frames_is_passed_through(
    stack: Stack, playlists: list[Media]
) -> None:
    top = stack.shell(
        "from streams.models import Run\n"
        "runs = Run.objects.filter(broadcast__open_key__isnull=False)\n"
        "runs = runs.filter(broadcast__stream__name='stream')\n"
        "print([run.renditions[0]['video'] for run in runs])"
    )
    assert top == "['copy']"


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("path", ["/hls/stream", "/hls/stream/", "/hls/stream/master.m3u8"])
def test_every_port_gives_the_master_playlist(
    stack: Stack, publisher: Publisher, port: str, path: str
) -> None:
    answer = stack.get(path, getattr(stack, port))
    assert answer.status == 200
    assert answer.text.startswith("#EXTM3U")
    assert answer.headers["Content-Type"].startswith(PLAYLIST)
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.headers.get_all("Cache-Control") == [FRESH["Cache-Control"]]


@pytest.mark.parametrize("port", PORTS)
def test_playlists_are_compressed_once(stack: Stack, ladder: list[Variant], port: str) -> None:
    until(lambda: len(media(stack, ladder[0].path).segments) > 3, 15, "a longer playlist")
    answer = stack.get(ladder[0].path, getattr(stack, port), Accept_Encoding="gzip")
    assert answer.headers.get_all("Content-Encoding") == ["gzip"]
    assert answer.text.startswith("#EXTM3U")


@pytest.mark.parametrize("port", PORTS)
def test_segments_are_for_ever_and_for_everybody(
    stack: Stack, playlists: list[Media], port: str
) -> None:
    for path in (playlists[0].segments[0].path, playlists[0].segments[0].init):
        answer = stack.get(path, getattr(stack, port))
        assert (answer.status, answer.body[4:8]) in ((200, b"styp"), (200, b"ftyp"))
        assert answer.headers.get_all("Cache-Control") == [IMMUTABLE]
        assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]


@pytest.mark.parametrize("port", PORTS)
def test_other_sites_may_ask(stack: Stack, playlists: list[Media], port: str) -> None:
    for path in ("/hls/stream", playlists[0].segments[0].path):
        answer = fetch(
            getattr(stack, port), path, "OPTIONS",
            Origin="https://player.example", Access_Control_Request_Method="GET",
        )  # fmt: skip
        assert answer.status in (200, 204), path
        assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"], path
    answer = stack.get("/api/streams", getattr(stack, port), Origin="https://player.example")
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]


def test_nothing_private_of_a_run_is_served(stack: Stack, playlists: list[Media]) -> None:
    folder = playlists[0].segments[0].path.rsplit("/", 2)[0]
    for port in PORTS:
        for name in ("ffmpeg.log", "progress.txt", "run.json", "720p/index.m3u8", "../../current"):
            assert stack.get(f"{folder}/{name}", getattr(stack, port)).status == 404


def test_every_rendition_has_its_size_and_sound(
    stack: Stack, ladder: list[Variant], playlists: list[Media], tmp_path: Path
) -> None:
    for variant, playlist in zip(ladder, playlists, strict=True):
        probed = probe(stack, playlist.segments[0], tmp_path)
        video, audio = (
            next(s for s in probed["streams"] if s["codec_type"] == kind)
            for kind in ("video", "audio")
        )
        assert f"{video['width']}x{video['height']}" == variant.attributes["RESOLUTION"]
        assert (video["codec_name"], audio["codec_name"]) == ("h264", "aac")


def test_all_renditions_cut_at_the_same_key_frame(
    stack: Stack, playlists: list[Media], tmp_path: Path
) -> None:
    number = max(playlist.sequence for playlist in playlists) + 1
    firsts = []
    for playlist in playlists:
        packets = probe(stack, playlist.segment(number), tmp_path)["packets"]
        first = next(packet for packet in packets if packet["codec_type"] == "video")
        assert first["flags"].startswith("K")
        firsts.append(float(first["pts_time"]))
    assert max(firsts) - min(firsts) < 0.002


def probe(stack: Stack, segment: Segment, folder: Path) -> Any:
    """ffprobe's streams and packets of one segment."""
    file = folder / "segment.mp4"
    file.write_bytes(stack.get(segment.init).body + stack.get(segment.path).body)
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_packets", str(file)],
        capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def test_the_home_page_and_the_api_list_the_stream(stack: Stack, publisher: Publisher) -> None:
    def listed() -> Any:
        streams = stack.get("/api/streams", stack.edge).json["streams"]
        return [stream for stream in streams if stream["state"] == "live"]

    (stream,) = until(listed, 10, "the stream is listed as live")
    assert stream["name"] == "stream"
    assert 'href="/stream"' in stack.get("/").text


def test_a_thumbnail_is_taken(stack: Stack, publisher: Publisher) -> None:
    def taken() -> bytes:
        answer = stack.get("/hls/stream/thumb.jpg")
        return answer.body if answer.status == 200 else b""

    assert until(taken, 20, "a thumbnail")[:3] == b"\xff\xd8\xff"


def test_health_reports_every_part(stack: Stack, publisher: Publisher) -> None:
    answer = stack.get("/health", stack.backend)
    assert (answer.status, answer.json["failing"]) == (200, [])
    assert set(answer.json["parts"]) >= {"database", "redis", "broker", "worker", "ingest", "disk"}


def test_statistics_show_the_publisher_by_an_internal_name(
    stack: Stack, publisher: Publisher
) -> None:
    answer = stack.get("/stat", stack.edge)
    assert answer.status == 200
    assert "<publishing/>" in answer.text
    assert stack.key not in answer.text


def test_a_wrong_key_is_refused_and_counted(stack: Stack, publisher: Publisher) -> None:
    count = "from streams.webhooks import refusals; print(refusals())"
    before = int(stack.shell(count))
    with Publisher(stack.rtmp, "not-the-key") as stranger:
        assert stranger.ended(15) != 0
    assert int(stack.shell(count)) == before + 1


def test_a_second_publisher_is_refused_and_changes_nothing(
    stack: Stack, publisher: Publisher, ladder: list[Variant]
) -> None:
    before = media(stack, ladder[0].path).newest
    with Publisher(stack.rtmp, stack.key) as second:
        assert second.ended(15) != 0
    until(lambda: media(stack, ladder[0].path).newest > before + 1, 15, "the playlist goes on")
    assert publisher.publishing
    assert variants(stack, "stream") != []


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("hook", ["publish", "publish_done", "play"])
def test_the_hook_is_not_for_strangers(stack: Stack, hook: str, port: str) -> None:
    answer = fetch(getattr(stack, port), f"/rtmp/{hook}", "POST", X_Ingest_Secret="guess")
    assert answer.status == 404


def test_no_stranger_may_play_from_the_ingest(stack: Stack, publisher: Publisher) -> None:
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-rw_timeout", "5000000",
         f"rtmp://127.0.0.1:{stack.rtmp}/live/{stack.key}"],
        capture_output=True, timeout=30,
    )  # fmt: skip
    assert run.returncode != 0


def test_no_secret_is_in_a_log_or_a_command_line(stack: Stack, publisher: Publisher) -> None:
    settings = dict(
        line.split("=", 1)
        for line in (stack.var / "env").read_text().splitlines()
        if not line.startswith("#")
    )
    hidden = [stack.key, stack.password, settings["SECRET_KEY"]]
    hidden.append(settings["LIVESTREAM_INGEST_SECRET"])
    hidden.append(stack.redis_password)
    logs = [
        *stack.var.glob("log/*"),
        *stack.var.glob("hls/**/*.log"),
        *stack.var.glob("hls/**/*.txt"),
    ]
    assert len(logs) > 6
    written = {str(log): log.read_text(errors="replace") for log in logs}
    for pid in stack.processes():
        written[f"pid {pid}"] = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    (ffmpeg,) = stack.encoders()
    written["FFmpeg's environment"] = Path(f"/proc/{ffmpeg}/environ").read_text()
    assert [place for place, text in written.items() if any(word in text for word in hidden)] == []


@pytest.mark.parametrize("port", PORTS)
def test_an_offline_and_an_unknown_stream_are_told_apart(stack: Stack, port: str) -> None:
    answer = stack.get("/hls/nobody", getattr(stack, port))
    assert (answer.status, answer.json["error"]) == (404, "unknown_stream")
