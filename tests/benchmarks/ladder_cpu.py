"""What ladders cost: `python -m tests.benchmarks.ladder_cpu`.

First our FFmpeg command against the same rungs with one scaler each from the source and the sound
encoded anew for each, all else the same; then several ladders against what `streams.ladder.cost`
reckons for them. CPU seconds of FFmpeg, for a picture full of noise.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from streams.ladder import arguments, cost
from streams.ladder.renditions import Rendition, choose
from streams.ladder.rungs import DEFAULT_RUNGS, Rung
from streams.ladder.source import Audio, Source, Video

SECONDS = 20
ROUNDS = 3
SOUND = Audio("aac", 48_000, 2)
FULL_HD = Source(Video("h264", 1920, 1080, 30), SOUND)


def clip(folder: Path, source: Source) -> Path:
    video = source.video
    assert video is not None
    file = folder / f"{video.width}x{video.height}-{video.fps:g}.flv"
    if not file.exists():
        picture = f"testsrc2=size={video.width}x{video.height}:rate={video.fps:g}"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
                   f"{picture},noise=alls=20:allf=t", "-f", "lavfi", "-i", "sine=r=48000",
                   "-t", str(SECONDS), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset",
                   "ultrafast", "-b:v", "6M", "-maxrate", "6M", "-bufsize", "12M",
                   "-g", str(round(2 * (video.fps or 30))), "-sc_threshold", "0",
                   "-c:a", "aac", "-ac", "2", str(file)]  # fmt: skip
        subprocess.run(command, check=True)
    return file


def cpu_seconds(source: Source, renditions: Sequence[Rendition], file: Path) -> float:
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        folder = Path(name)
        for rendition in renditions:
            (folder / rendition.name).mkdir()
        command = arguments.ffmpeg_arguments(source, renditions, input_url=str(file), folder=folder)
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        return usage.ru_utime + usage.ru_stime


def separate_scalers(source: Any, renditions: Sequence[Rendition], _: int) -> Iterator[Any]:
    """In the place of the chain: every rendition from the source."""
    forks = source.filter_multi_output("split")
    for index, rendition in enumerate(renditions):
        scaled = forks[index].filter("scale", rendition.width, rendition.height)
        yield source if rendition.video == "copy" else scaled.filter("setsar", 1)
    yield forks[len(renditions)]


def compare(file: Path) -> None:
    ours = choose(FULL_HD, DEFAULT_RUNGS[1:], allow_copy=True)[1:]
    theirs = [replace(r, audio="aac", audio_bitrate=128_000) for r in ours]
    chained, separate = [], []
    for _ in range(ROUNDS):
        chained.append(cpu_seconds(FULL_HD, ours, file))
        with patch.object(arguments, "_pictures", separate_scalers):
            separate.append(cpu_seconds(FULL_HD, theirs, file))
    a, b = statistics.median(chained), statistics.median(separate)
    say(f"{SECONDS} s of 1080p30 to {', '.join(r.name for r in ours)}, median of {ROUNDS}:")
    say(f"  three scalers, sound encoded three times  {b:6.1f} CPU s")
    say(f"  ours: scaled in a chain, sound copied     {a:6.1f} CPU s  {1 - a / b:.0%} less")


def check_costs(folder: Path) -> None:
    say("cores, measured and reckoned:")
    ladders: list[tuple[str, Source, Sequence[Rung], bool]] = [
        ("1080p30 copied alone", FULL_HD, [Rung(1080, 1)], True),
        ("1080p30 copied + 720/480/360", FULL_HD, DEFAULT_RUNGS, True),
        ("1080p30 to 1080/720/480/360", FULL_HD, DEFAULT_RUNGS, False),
        ("1080p30 to 360", FULL_HD, DEFAULT_RUNGS[3:], False),
        ("720p30 copied + 480/360", sized(1280, 720, 30), DEFAULT_RUNGS, True),
        ("1080p60 copied + 720/480/360", sized(1920, 1080, 60), DEFAULT_RUNGS, True),
    ]
    for name, source, rungs, allow_copy in ladders:
        renditions = choose(source, rungs, allow_copy=allow_copy)
        measured = cpu_seconds(source, renditions, clip(folder, source)) / SECONDS
        reckoned = cost.of(source, renditions)
        say(f"  {name:30} {measured:6.2f} {reckoned:6.2f}  {measured / reckoned:4.2f} x")


def sized(width: int, height: int, fps: float) -> Source:
    return Source(Video("h264", width, height, fps), SOUND)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(clip(Path(folder), FULL_HD))
        check_costs(Path(folder))


if __name__ == "__main__":
    main()
