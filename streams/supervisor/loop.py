"""The loop: look, decide, act, report; one supervisor drives one broadcast."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import random

from streams.supervisor.backoff import Backoff
from streams.supervisor.ending import classify
from streams.supervisor.policy import (
    Collect,
    End,
    Facts,
    Kill,
    RunFacts,
    Start,
    Stop,
    decide,
    state_of,
)
from streams.supervisor.progress import read as read_progress
from streams.supervisor.roles import (
    Desk,
    LeaseLost,
    Orders,
    RunHandle,
    SourceRefused,
    Studio,
    Unavailable,
)
from streams.supervisor.states import EndReason

logger = logging.getLogger(__name__)

# FFmpeg's end is seen at once; this is for everything else.
TICK = 1.0
LOG_TAIL_BYTES = 4000
LEAST_ROOM = 65_536  # bytes


class Supervisor:
    """Drives one broadcast until it ends, the lease is lost, or the worker stops."""

    def __init__(
        self, desk: Desk, studio: Studio, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._desk = desk
        self._studio = studio
        self._clock = clock
        self._backoff = Backoff(random)
        self._run: RunHandle | None = None
        self._resume_at = 0.0
        self._orders: Orders | None = None

    def drive(self, stopping: threading.Event) -> None:
        """Returns when there is nothing left to do here. FFmpeg goes on when `stopping` is set."""
        try:
            self._run = self._studio.adopt()
            while not stopping.is_set():
                if not self.tick():
                    return
                self._pause(stopping)
            self._hand_over()
        except LeaseLost:
            self._abandon()

    def _pause(self, stopping: threading.Event) -> None:
        """Until the next round; an FFmpeg that exits is seen at once."""
        if self._run is not None and not self._run.process.exited:
            self._run.process.wait(TICK)
        else:
            stopping.wait(TICK / 2)

    def tick(self) -> bool:
        """One round. False once the broadcast is over."""
        try:
            self._orders = self._desk.orders()
        except Unavailable as error:
            logger.warning("the record is away, runs go on: %s", error)
        if self._orders is None:
            return True
        facts = self._look(self._orders)
        try:
            over = self._act(facts)
            if not over:
                self._desk.report(state_of(facts), self._run)
        except Unavailable as error:
            logger.warning("the record is away, runs go on: %s", error)
            return True
        return not over

    def _look(self, orders: Orders) -> Facts:
        return Facts(
            wanted=orders.wanted,
            publisher=orders.publisher,
            publisher_gone_for=orders.publisher_gone_for,
            grace=orders.grace,
            run=self._look_at(self._run) if self._run is not None else None,
            resume_in=self._resume_at - self._clock(),
            was_live=orders.was_live,
        )

    def _look_at(self, run: RunHandle) -> RunFacts:
        now = self._clock()
        run.progress = read_progress(run.folder / "progress.txt")
        if run.progress is not None:
            run.meter.add(now, run.progress.out_time)
        segment_age = self._studio.segment_age(run)
        return RunFacts(
            age=now - run.began,
            exited=run.process.exited,
            ingest_name=run.ingest_name,
            progress_age=now - (run.meter.moved_at or run.began),
            written=run.meter.written,
            segment_age=segment_age,
            stopping_for=now - run.asked_at if run.asked is not None else None,
            copies=run.copies,
            longest_segment=self._studio.longest_segment(run) if run.copies else 0.0,
            source_changed=self._studio.source_changed(run),
        )

    def _act(self, facts: Facts) -> bool:
        """Do what the policy says. True once the broadcast is over."""
        match decide(facts):
            case Start():
                return self._start(facts.publisher or "")
            case Stop(reason, refuse_copy):
                if refuse_copy:
                    self._desk.refuse_copy()
                self._ask_to_stop(reason)
            case Kill():
                if self._run is not None:
                    self._run.process.kill()
            case Collect():
                self._collect()
            case End(reason):
                return self._desk.end(reason)
        return False

    def _start(self, ingest_name: str) -> bool:
        try:
            self._run = self._studio.start(ingest_name)
        except SourceRefused as refusal:
            logger.warning("%s is refused: %s", ingest_name, refusal)
            return self._desk.end(EndReason.INPUT_UNREADABLE, str(refusal))
        except OSError as error:  # a full disk, no FFmpeg, no more processes
            logger.error("no run of %s could be started: %s", ingest_name, error)
            delay = self._backoff.after(EndReason.ENCODER_CRASHED, lived=0.0)
            self._resume_at = self._clock() + delay
        return False

    def _ask_to_stop(self, reason: EndReason) -> None:
        if self._run is not None:
            self._run.asked, self._run.asked_at = reason, self._clock()
            self._run.process.terminate()

    def _collect(self) -> None:
        run = self._run
        if run is None:
            return
        log = last_words(run.folder / "ffmpeg.log")
        run.progress = read_progress(run.folder / "progress.txt")
        reason = classify(
            asked=run.asked,
            exit_code=run.process.exit_code,
            finished=run.progress is not None and run.progress.ended,
            produced=self._studio.segment_age(run) is not None,
            log=log,
            disk_full=is_full(run.folder),
        )
        self._desk.run_ended(run, reason, run.process.exit_code, log)
        run.process.close()
        self._run = None
        delay = self._backoff.after(reason, self._clock() - run.began)
        self._resume_at = self._clock() + delay

    def _hand_over(self) -> None:
        """The worker stops: give the lease back, leave FFmpeg to the next worker."""
        try:
            self._desk.release()
        except Unavailable as error:
            logger.warning("the lease could not be given back, it will run out: %s", error)

    def _abandon(self) -> None:
        """The lease is somebody else's. Its holder adopted our run, or must not suffer it."""
        run = self._run
        if run is None:
            return
        try:
            if not self._desk.still_ours(run):
                return
        except Unavailable:
            # Without knowing, one FFmpeg too few is better than one too many.
            logger.warning("run %s is stopped: its lease is lost", run.run_id)
        run.process.put_down()


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written there, not even FFmpeg's complaint."""
    try:
        disk = os.statvfs(folder)
    except OSError:  # the folder is gone
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_ROOM or (disk.f_files > 0 and disk.f_favail == 0)


def last_words(log: Path) -> str:
    """The end of FFmpeg's log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
