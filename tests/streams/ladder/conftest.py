"""Short clips as a publisher would send them, and the runs FFmpeg makes of them."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.probe import probe
from streams.ladder.renditions import Rendition, choose
from streams.ladder.rungs import Rung
from streams.ladder.source import Source

RUNGS = (Rung(144, 300_000), Rung(90, 150_000))


@dataclass(frozen=True)
class Made:
    """A finished run: its folder, its ladder, and what FFmpeg said on stderr."""

    folder: Path
    renditions: tuple[Rendition, ...]
    log: str

    def whole(self, name: str) -> Path:
        """One file of a rendition's init segment and all its segments."""
        folder = self.folder / name
        whole = folder / "whole.mp4"
        parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        return whole

    def key_times(self, name: str) -> list[float]:
        """Presentation times of a rendition's key frames in seconds."""
        return [float(time) for time, flags, *_ in packets(self.whole(name), "v") if "K" in flags]

    def durations(self, name: str) -> list[float]:
        lines = (self.folder / name / "index.m3u8").read_text().splitlines()
        return [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]


def packets(file: Path, kind: str) -> list[list[str]]:
    """[presentation time, flags] of each packet of one kind, v or a."""
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", kind, "-of", "csv=p=0",
         "-show_entries", "packet=pts_time,flags", str(file)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [line.split(",") for line in text.split()]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """clip(size="320x180", rate=30, seconds=5, bframes=2, gop=60, sound="aac") -> an FLV file."""
    folder = tmp_path_factory.mktemp("clips")

    def make(
        size: str | None = "320x180",
        rate: str = "30",
        seconds: int = 5,
        bframes: int = 2,
        gop: int = 60,
        sound: str | None = "aac",
    ) -> Path:
        file = folder / f"{size}-{rate}-{seconds}-{bframes}-{gop}-{sound}.flv".replace("/", "_")
        if file.exists():
            return file
        command = ["ffmpeg", "-nostdin", "-v", "error"]
        if size:
            command += ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}"]
        if sound:
            command += ["-f", "lavfi", "-i", "sine=sample_rate=44100"]
        command += ["-t", str(seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264"]
        command += ["-preset", "ultrafast", "-bf", str(bframes), "-g", str(gop), "-sc_threshold"]
        command += ["0", "-c:a", {"aac": "aac", "mp3": "libmp3lame"}.get(sound or "", "aac")]
        subprocess.run([*command, str(file)], check=True)
        return file

    return make


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    """run(file, rungs=RUNGS, allow_copy=True) -> the finished run; `guessed`: the source it is made
    for, whatever the file is."""

    def make(
        file: Path,
        rungs: Sequence[Rung] = RUNGS,
        allow_copy: bool = True,
        guessed: Source | None = None,
    ) -> Made:
        folder = tmp_path_factory.mktemp("run")
        source = guessed or probe(str(file), 10)
        renditions = choose(source, rungs, allow_copy=allow_copy)
        for rendition in renditions:
            (folder / rendition.name).mkdir()
        command = ffmpeg_arguments(
            source,
            renditions,
            input_url=str(file),
            folder=folder,
            adaptive=guessed is not None,
        )
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return Made(folder, renditions, result.stderr)

    return make
