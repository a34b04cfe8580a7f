"""A stand-in for FFmpeg that costs next to nothing: the files of a run, with nothing to see.

It is run as a program named `ffmpeg` on a worker's PATH. It writes progress every second and a
segment every two, ends on TERM as FFmpeg does, and enters its begin and its end in a journal beside
the HLS root. It imports nothing of ours: only its text is taken.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

SEGMENT = 2
# An ISO file of three boxes with nothing in them: whole, as far as its outline goes.
BOXES = b"".join((8).to_bytes(4, "big") + kind for kind in (b"styp", b"moof", b"mdat"))


def enter(what: str) -> None:
    """One line of the journal; O_APPEND keeps the lines of all whole."""
    root = Path(os.environ["LIVESTREAM_HLS_ROOT"])
    line = f"{what} {Path.cwd().parent.name} {os.environ['LIVESTREAM_RUN_ID']} {os.getpid()}\n"
    journal = os.open(root.parent / "encoders.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(journal, line.encode())
    os.close(journal)


def progress(file: Path, began: float, verdict: str) -> None:
    media = int((time.monotonic() - began) * 1_000_000)
    with file.open("a") as out:
        out.write(f"fps=25.0\nout_time_us={media}\nspeed=1x\nprogress={verdict}\n")


def add_segment(playlist: Path, number: int) -> None:
    (playlist.parent / f"{number:06d}.m4s").write_bytes(BOXES)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
    new = playlist.with_suffix(".tmp")
    lines = playlist.read_text() if number else "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
    new.write_text(
        f"{lines}#EXTINF:{SEGMENT}.000000,\n#EXT-X-PROGRAM-DATE-TIME:{at}\n{number:06d}.m4s\n"
    )
    new.replace(playlist)


def main(argv: list[str]) -> None:
    report = Path(argv[argv.index("-progress") + 1])
    playlists = [Path(argument) for argument in argv if argument.endswith("/index.m3u8")]
    began = time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        progress(report, began, "end")
        enter("end")
        os._exit(255)

    signal.signal(signal.SIGTERM, end)
    enter("begin")
    for playlist in playlists:
        (playlist.parent / "init.mp4").write_bytes(b"init")
    second = 0
    while True:
        second += 1
        time.sleep(max(0.0, began + second - time.monotonic()))
        progress(report, began, "continue")
        if second % SEGMENT == 0:
            for playlist in playlists:
                add_segment(playlist, second // SEGMENT - 1)


if __name__ == "__main__":
    main(sys.argv)
