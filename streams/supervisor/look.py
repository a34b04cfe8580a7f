"""The look: what is known of a run now, as facts for the policy."""

import os
import time
from pathlib import Path

from streams.supervisor.policy import RunFacts
from streams.supervisor.progress import read as read_progress
from streams.supervisor.roles import Input, Output, RunHandle

LOG_TAIL_BYTES = 4000
LEAST_ROOM = 65_536  # bytes


def look_at(run: RunHandle, output: Output, source: Input | None, now: float) -> RunFacts:
    """Reads the progress file and feeds the run's meters. `now` by the supervisor's clock."""
    run.progress = read_progress(run.folder / "progress.txt")
    if run.progress is not None:
        run.meter.add(now - _age(run.folder / "progress.txt"), run.progress.out_time)
    run.cpu.look(now, run.process.pid)
    if source is not None:
        run.input_meter.add(now, source.sent)
        run.drops.add(now, source.dropped)
    return RunFacts(
        age=now - run.began,
        exited=run.process.exited,
        ingest_name=run.ingest_name,
        progress_age=now - (run.meter.moved_at or run.began),
        written=run.meter.written,
        segment_age=output.age,
        stopping_for=now - run.asked_at if run.asked is not None else None,
        copies=run.copies,
        longest_segment=output.longest,
        source_changed=source is not None and source.changed,
        speed=run.meter.settled_speed,
        input_speed=run.input_meter.settled_speed,
        input_age=now - moved if (moved := run.input_meter.moved_at) is not None else None,
        dropping_for=run.drops.rising_for(now),
        folder_gone=output.gone,
        settled=run.settled,
        sheddable=run.sheddable,
    )


def _age(file: Path) -> float:
    """Seconds since it was written: a look comes up to a second later, which in a window of twenty
    would look like five per cent of speed. Never much, whatever somebody did to the clock."""
    try:
        return min(max(0.0, time.time() - file.stat().st_mtime), 2.0)
    except OSError:
        return 0.0


def last_words(log: Path) -> str:
    """The end of FFmpeg's log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written there, not even FFmpeg's complaint."""
    try:
        disk = os.statvfs(folder)
    except OSError:  # the folder is gone
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_ROOM or (disk.f_files > 0 and disk.f_favail == 0)
