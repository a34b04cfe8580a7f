import subprocess
from pathlib import Path

import pytest

from streams.origin.init_segment import count_samples, read


def fragmented(folder: Path, *codecs: str, picture: bool = True, sound: bool = True) -> bytes:
    file = folder / "clip.mp4"
    command = ["ffmpeg", "-v", "error"]
    if picture:
        command += ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10"]
    if sound:
        command += ["-f", "lavfi", "-i", "sine=sample_rate=48000"]
    command += ["-t", "1", "-pix_fmt", "yuv420p", *codecs]
    subprocess.run([*command, "-movflags", "empty_moov+frag_keyframe", file], check=True)
    return file.read_bytes()


def test_it_names_profile_and_level_of_h264_and_the_kind_of_aac(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-profile:v", "high", "-level", "3.1", "-c:a", "aac")
    found = read(fragmented(tmp_path, *options))
    assert found.codecs == ("avc1.64001f", "mp4a.40.2")
    assert (found.width, found.height) == (320, 180)


def test_it_names_constrained_baseline(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-profile:v", "baseline", "-level", "3.0")
    assert read(fragmented(tmp_path, *options, sound=False)).codecs == ("avc1.42c01e",)


def test_sound_alone_has_no_size(tmp_path: Path) -> None:
    found = read(fragmented(tmp_path, "-c:a", "aac", picture=False))
    assert (found.codecs, found.width, found.video_track) == (("mp4a.40.2",), 0, None)


def test_it_tells_mp3_from_aac(tmp_path: Path) -> None:
    found = read(fragmented(tmp_path, "-c:a", "libmp3lame", picture=False))
    assert found.codecs in (("mp4a.6b",), ("mp4a.69",))


def test_a_codec_it_cannot_describe_keeps_its_four_letters(tmp_path: Path) -> None:
    found = read(fragmented(tmp_path, "-c:v", "mpeg4", sound=False))
    assert found.codecs == ("mp4v",)


def test_it_counts_the_frames_of_the_picture_only(tmp_path: Path) -> None:
    data = fragmented(tmp_path, "-c:v", "libx264")
    track = read(data).video_track
    assert track is not None
    assert count_samples(data, track) == 10


@pytest.mark.parametrize("data", [b"", b"garbage!", b"\0\0\0\x10moov", b"\0\0\0\x08free"])
def test_anything_else_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"box|track"):
        read(data)
