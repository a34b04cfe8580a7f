import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.key_frames import KEY_FRAMES_FILE, longest_distance, times
from streams.ladder.renditions import choose
from streams.ladder.rungs import Rung
from streams.ladder.source import Audio, Source, Video
from tests.streams.ladder.conftest import RUNGS, Made, packets

Clip = Callable[..., Path]
Run = Callable[..., Made]
# The first frame of a segment may sit a millisecond early: FLV counts in milliseconds.
MILLISECONDS = 0.0025


def assert_aligned(made: Made) -> None:
    """Every rendition has its key frames, and its cuts, at the same times."""
    first, *others = [rendition.name for rendition in made.renditions]
    for name in others:
        assert made.key_times(name) == pytest.approx(made.key_times(first), abs=MILLISECONDS)
        count = len(made.durations(first))
        assert len(made.durations(name)) == count
        # The last one ends with the file, not at a key frame.
        whole = slice(count - 1)
        assert made.durations(name)[whole] == pytest.approx(made.durations(first)[whole], abs=0.01)


def size(file: Path) -> tuple[int, int]:
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", file],
        capture_output=True,
        check=True,
    ).stdout
    stream = json.loads(text)["streams"][0]
    return stream["width"], stream["height"]


def sound(file: Path) -> dict[str, str]:
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a", "-show_streams", "-of", "json", file],
        capture_output=True,
        check=True,
    ).stdout
    streams: list[dict[str, str]] = json.loads(text)["streams"]
    return streams[0]


def test_it_writes_the_layout_the_origin_reads(clip: Clip, run: Run) -> None:
    made = run(clip())
    names = ["180p", "144p", "90p"]
    assert [rendition.name for rendition in made.renditions] == names
    for name in names:
        files = {file.name for file in (made.folder / name).iterdir()}
        assert {"index.m3u8", "init.mp4", "000000.m4s", "000001.m4s"} <= files
        assert '#EXT-X-MAP:URI="init.mp4"' in (made.folder / name / "index.m3u8").read_text()
    assert "progress=end" in (made.folder / "progress.txt").read_text()
    assert made.log == ""


def test_copied_and_encoded_renditions_are_cut_at_the_same_frames(clip: Clip, run: Run) -> None:
    made = run(clip())
    assert made.durations("180p")[:2] == pytest.approx([2, 2], abs=0.01)
    assert_aligned(made)


def test_every_frame_has_the_same_time_in_every_rendition(clip: Clip, run: Run) -> None:
    made = run(clip())
    copied, encoded = (
        sorted(float(time) for time, *_ in packets(made.whole(name), "v"))
        for name in ("180p", "90p")
    )
    assert encoded == pytest.approx(copied, abs=MILLISECONDS)


def test_a_source_without_b_frames_is_aligned_with_renditions_that_have_them(
    clip: Clip, run: Run
) -> None:
    assert_aligned(run(clip(bframes=0)))


def test_without_a_copy_there_is_one_key_frame_per_segment(clip: Clip, run: Run) -> None:
    made = run(clip(gop=250), allow_copy=False)
    start = made.key_times("144p")[0]
    assert made.key_times("144p") == pytest.approx([start, start + 2, start + 4], abs=0.01)
    assert_aligned(made)


def test_key_frames_every_second_still_make_segments_of_two(clip: Clip, run: Run) -> None:
    made = run(clip(rate="30000/1001", gop=30))
    assert made.durations("180p")[:2] == pytest.approx([2.002, 2.002], abs=0.01)
    assert_aligned(made)


@pytest.mark.parametrize("allow_copy", [True, False])
def test_a_limited_frame_rate_keeps_the_key_frames(clip: Clip, run: Run, allow_copy: bool) -> None:
    rungs = (Rung(144, 300_000), Rung(90, 150_000, max_fps=30))
    made = run(clip(rate="60", gop=120), rungs, allow_copy)
    frames = len(packets(made.whole("90p"), "v"))
    assert frames == pytest.approx(150, abs=2)
    assert len(packets(made.whole("144p"), "v")) == 300
    assert_aligned(made)


def test_a_picture_that_starts_after_the_sound_stays_in_time(
    clip: Clip, run: Run, tmp_path: Path
) -> None:
    late = tmp_path / "late.flv"  # as from an ingest that was joined in the middle of a GOP
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", clip(), "-c", "copy", "-copyinkf",
         "-bsf:v", r"noise=drop=lt(n\,20)", late],
        check=True,
    )  # fmt: skip
    made = run(late)
    for name in ("180p", "90p"):
        first_sound = float(packets(made.whole(name), "a")[0][0])
        assert made.key_times(name)[0] - first_sound == pytest.approx(2, abs=0.1)
    assert_aligned(made)


def test_a_source_without_sound(clip: Clip, run: Run) -> None:
    made = run(clip(sound=None))
    assert packets(made.whole("90p"), "a") == []
    assert_aligned(made)


def test_a_source_without_picture(clip: Clip, run: Run) -> None:
    made = run(clip(size=None))
    assert [rendition.name for rendition in made.renditions] == ["audio"]
    assert made.durations("audio")[:2] == pytest.approx([2, 2], abs=0.05)
    assert not (made.folder / "thumb.jpg").exists()


def test_sound_that_is_not_aac_is_encoded(clip: Clip, run: Run) -> None:
    made = run(clip(sound="mp3"))
    for rendition in made.renditions:
        stream = sound(made.whole(rendition.name))
        assert (stream["codec_name"], stream["sample_rate"]) == ("aac", "44100")


@pytest.mark.parametrize(
    ("source", "allow_copy", "expected"),
    [
        ("214x120", True, {"120p": (214, 120), "90p": (160, 90)}),
        ("342x192", False, {"144p": (256, 144), "90p": (160, 90)}),
        ("180x320", True, {"180p": (180, 320), "144p": (144, 256), "90p": (90, 160)}),
        ("80x60", False, {"60p": (80, 60)}),
    ],
)
def test_odd_upright_and_tiny_sources(
    clip: Clip, run: Run, source: str, allow_copy: bool, expected: dict[str, tuple[int, int]]
) -> None:
    made = run(clip(size=source, seconds=3), allow_copy=allow_copy)
    assert {r.name: size(made.whole(r.name)) for r in made.renditions} == expected


def test_the_thumbnail_is_at_most_640_wide(clip: Clip, run: Run) -> None:
    made = run(clip(size="1280x720", seconds=1), rungs=[Rung(1080, 1)])
    assert size(made.folder / "thumb.jpg") == (640, 360)


def test_the_first_thumbnail_is_there_at_once(clip: Clip, tmp_path: Path) -> None:
    source = Source(Video("h264", 320, 180, 30), Audio("aac", 44_100, 1))
    renditions = choose(source, RUNGS, allow_copy=True)
    for rendition in renditions:
        (tmp_path / rendition.name).mkdir()
    pipe = tmp_path / "input.flv"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        ffmpeg_arguments(source, renditions, input_url=str(pipe), folder=tmp_path),
        stderr=subprocess.DEVNULL,
    )
    with pipe.open("wb") as publisher:
        publisher.write(clip(seconds=9).read_bytes())  # and the publisher stays connected
        publisher.flush()
        deadline = time.monotonic() + 20
        while not (tmp_path / "thumb.jpg").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert process.wait(20) == 0


def test_a_small_source_has_a_thumbnail_of_its_own_size(clip: Clip, run: Run) -> None:
    assert size(run(clip()).folder / "thumb.jpg") == (320, 180)


def test_the_list_slides_and_old_segments_go(clip: Clip, tmp_path: Path) -> None:
    source = Source(None, Audio("aac", 44_100, 1))
    renditions = choose(source, RUNGS, allow_copy=True)
    (tmp_path / "audio").mkdir()
    command = ffmpeg_arguments(
        source,
        renditions,
        input_url=str(clip(size=None, seconds=30)),
        folder=tmp_path,
        segment_seconds=1,
        window_segments=3,
    )
    subprocess.run(command, check=True, capture_output=True)
    segments = sorted(file.name for file in (tmp_path / "audio").glob("*.m4s"))
    assert len((tmp_path / "audio" / "index.m3u8").read_text().split("#EXTINF")) == 4
    assert 3 < len(segments) < 12


def test_live_options_are_for_rtmp_only() -> None:
    source = Source(Video("h264", 320, 180, 30), None)
    renditions = choose(source, RUNGS, allow_copy=True)
    folder = Path("/nowhere")
    rtmp = ffmpeg_arguments(source, renditions, input_url="rtmp://host/live/x", folder=folder)
    file = ffmpeg_arguments(source, renditions, input_url="x.flv", folder=folder)
    assert {"-rtmp_live", "-rw_timeout"} <= set(rtmp)
    assert {"-rtmp_live", "-rw_timeout"}.isdisjoint(file)


@pytest.mark.parametrize("scheme", ["file", "http", "concat", "subfile,,start,0,end,0,,"])
def test_what_comes_by_rtmp_can_open_nothing_else(tmp_path: Path, scheme: str) -> None:
    source = Source(Video("h264", 320, 180, 30), None)
    renditions = choose(source, RUNGS, allow_copy=True)
    url = "rtmp://127.0.0.1/live/x"
    command = ffmpeg_arguments(source, renditions, input_url=url, folder=tmp_path)
    # As if its demuxer had been told to read from there.
    command[command.index(url)] = f"{scheme}://127.0.0.1:9/x"
    for option in ("-rtmp_live", "-rw_timeout"):
        del command[command.index(option) : command.index(option) + 2]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert f"'{scheme.split(',')[0]}' not on whitelist 'rtmp,tcp'" in result.stderr


def test_what_comes_by_rtmp_is_read_as_nothing_but_flv() -> None:
    source = Source(Video("h264", 320, 180, 30), None)
    renditions = choose(source, RUNGS, allow_copy=True)
    command = ffmpeg_arguments(
        source, renditions, input_url="rtmp://host/live/x", folder=Path("/nowhere")
    )
    before_input = command[: command.index("-i")]
    assert before_input[before_input.index("-f") + 1] == "flv"


def test_a_server_that_falls_silent_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.ladder.arguments.READ_TIMEOUT", 0.5)
    source = Source(Video("h264", 320, 180, 30), None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/x"
        renditions = choose(source, RUNGS, allow_copy=True)
        command = ffmpeg_arguments(source, renditions, input_url=url, folder=tmp_path)
        result = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert result.returncode == 1


def test_nothing_to_write_is_refused() -> None:
    source = Source(None, None)
    renditions = choose(source, RUNGS, allow_copy=True)
    with pytest.raises(ValueError, match="picture or sound"):
        ffmpeg_arguments(source, renditions, input_url="x", folder=Path())


GUESS = Source(Video("h264", 320, 180, 30.0), Audio("aac", 44_100, 1))


def test_an_adaptive_ladder_takes_the_shape_of_whatever_comes(clip: Clip, run: Run) -> None:
    made = run(clip("240x320"), guessed=GUESS)
    assert size(made.whole("180p")) == (240, 320)
    assert size(made.whole("144p")) == (144, 192)
    assert size(made.whole("90p")) == (90, 120)


def test_an_adaptive_rung_above_the_source_becomes_next_to_nothing(clip: Clip, run: Run) -> None:
    made = run(clip("256x144"), guessed=GUESS)
    assert size(made.whole("144p")) == (64, 64)
    assert size(made.whole("90p")) == (160, 90)


def test_the_lowest_adaptive_rung_is_never_next_to_nothing(clip: Clip, run: Run) -> None:
    assert size(run(clip("107x60"), guessed=GUESS).whole("90p")) == (106, 60)


@pytest.mark.parametrize(("rate", "gop"), [("30", 60), ("30000/1001", 60), ("25", 25)])
def test_an_adaptive_ladder_is_cut_where_two_second_key_frames_are(
    rate: str, gop: int, clip: Clip, run: Run
) -> None:
    made = run(clip(rate=rate, gop=gop, seconds=9), guessed=GUESS)
    first = made.durations("180p")
    assert len(first) == 5
    for name in ("144p", "90p"):
        assert made.durations(name)[:4] == pytest.approx(first[:4], abs=0.01)


def test_an_adaptive_ladder_does_not_wait_for_key_frames_far_apart(clip: Clip, run: Run) -> None:
    made = run(clip(gop=250, seconds=9), guessed=GUESS)
    assert made.durations("180p")[0] > 8
    assert made.durations("90p")[:4] == pytest.approx([2, 2, 2, 2], abs=0.01)


def test_an_adaptive_ladder_may_turn_out_to_have_no_sound(clip: Clip, run: Run) -> None:
    made = run(clip(sound=None), guessed=GUESS)
    assert packets(made.whole("90p"), "a") == []


def test_the_source_s_key_frames_are_noted(clip: Clip, run: Run) -> None:
    for copies in (True, False):
        noted = (run(clip(gop=45), allow_copy=copies).folder / KEY_FRAMES_FILE).read_text()
        assert longest_distance(noted) == pytest.approx(1.5, abs=MILLISECONDS)
        assert len(times(noted)) == 4
