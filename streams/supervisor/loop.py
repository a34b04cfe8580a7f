"""The loop: look, decide, act, report; one supervisor drives one broadcast."""

import logging
import time
from collections.abc import Callable
from random import random

from streams.supervisor.backoff import Backoff
from streams.supervisor.bell import Bell
from streams.supervisor.ending import classify, explain, not_started
from streams.supervisor.look import is_full, last_words, look_at
from streams.supervisor.policy import (
    Action,
    Collect,
    End,
    Facts,
    GiveUp,
    Kill,
    RunFacts,
    Start,
    Stop,
    Wait,
    decide,
    state_of,
)
from streams.supervisor.progress import read as read_progress
from streams.supervisor.roles import (
    Desk,
    Ending,
    LeaseLost,
    Orders,
    Output,
    RunHandle,
    SourceRefused,
    Studio,
    Unavailable,
)
from streams.supervisor.states import BroadcastState, EndReason, EventKind

logger = logging.getLogger(__name__)

# FFmpeg's end is seen at once; this is for everything else.
TICK = 1.0
# While all is well. A hundred broadcasts are looked at by one process.
CALM = 2.0
# Between two runs, and while a source has yet to show what it is.
SOON = 0.2
STOPPED_AS = {
    EndReason.STALLED: (EventKind.STALLED, "FFmpeg hangs; it is replaced."),
    EndReason.SLOW: (
        EventKind.SHED,
        "Encoding is slower than real time; the next run goes without its dearest quality.",
    ),
}


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
        self._output: Output | None = None
        self._is_calm = False
        self._resume_at = 0.0
        self._orders: Orders | None = None
        self._tried: str | None = None  # the publisher the crashes are counted for
        self._trouble = ""  # what made the last run end, for the streamer

    def drive(self, bell: Bell) -> None:
        """Returns when there is nothing left to do here. FFmpeg goes on when the bell says stop."""
        try:
            self._adopt(bell)
            while not bell.stopping:
                if not self.tick():
                    return
                self._pause(bell)
            self._hand_over()
        except LeaseLost:
            self._abandon()
        finally:
            if self._run is not None:
                self._run.process.leave()

    def _adopt(self, bell: Bell) -> None:
        while not bell.stopping:
            try:
                self._run = self._studio.adopt()
            except Unavailable as error:
                logger.warning("the record is away, nothing can be adopted: %s", error)
                bell.wait(TICK)
                continue
            if self._run is not None:
                self._output = self._studio.output(self._run)
                text = "A worker took over; FFmpeg went on meanwhile."
                self._desk.tell(EventKind.ADOPTED, text, self._run.number)
            return

    def _pause(self, bell: Bell) -> None:
        """Until the next round; an FFmpeg that exits is seen at once."""
        if self._run is not None and not self._run.process.exited:
            rhythm = CALM if self._is_calm else TICK
            bell.wait(rhythm if self._run.settled else SOON, self._run.process.pidfd)
        else:
            due = self._resume_at - self._clock()
            bell.wait(min(TICK, max(due, SOON)))

    def tick(self) -> bool:
        """One round. False once the broadcast is over."""
        try:
            self._take(self._desk.orders(self._output))
        except Unavailable as error:
            logger.warning("the record is away, runs go on: %s", error)
        if self._orders is None:
            return True
        facts = self._look(self._orders)
        action, state = decide(facts), state_of(facts)
        self._is_calm = (
            state is BroadcastState.LIVE
            and action == Wait()
            and facts.publisher is not None
            and (facts.run is None or facts.run.stopping_for is None)
        )
        try:
            over = self._act(action, facts)
            if not over:
                self._advise()
                self._desk.report(state, self._run, self._output)
        except Unavailable as error:
            logger.warning("the record is away, runs go on: %s", error)
            return True
        return not over

    def _take(self, orders: Orders) -> None:
        """Crashes are counted per publisher, and forgotten when somebody asks for another try."""
        if self._orders is None:
            self._backoff.failures = orders.crashes
        elif self._orders.gave_up and not orders.gave_up:
            self._forgive()
        if orders.publisher is not None:
            if self._tried not in (None, orders.publisher):
                self._forgive()
            self._tried = orders.publisher
        self._orders = orders

    def _forgive(self) -> None:
        self._backoff.failures = 0
        self._resume_at = 0.0

    def _look(self, orders: Orders) -> Facts:
        seen: RunFacts | None = None
        if self._run is not None:
            self._output = self._studio.output(self._run)
            source = self._studio.input(self._run)
            seen = look_at(self._run, self._output, source, self._clock())
        return Facts(
            wanted=orders.wanted,
            publisher=orders.publisher,
            publisher_gone_for=orders.publisher_gone_for,
            grace=orders.grace,
            run=seen,
            resume_in=self._resume_at - self._clock(),
            was_live=orders.was_live,
            crashes=self._backoff.failures,
            gave_up=orders.gave_up,
            shed=orders.shed,
            room=self._run is None or not orders.shed or self._studio.has_room(self._run),
        )

    def _act(self, action: Action, facts: Facts) -> bool:
        """Do what the policy says. True once the broadcast is over."""
        match action:
            case Start():
                return self._start(facts.publisher or "", self._orders.node if self._orders else "")
            case Stop() as stop:
                self._ask_to_stop(stop)
            case Kill():
                if self._run is not None:
                    self._run.process.kill()
            case Collect():
                self._collect()
            case GiveUp():
                self._desk.give_up(
                    f"FFmpeg ended {self._backoff.failures} times in a row. {self._trouble}"
                )
            case End(reason):
                return self._desk.end(reason)
        return False

    def _advise(self) -> None:
        advice = self._studio.advice(self._run)
        if advice is not None and self._run is not None:
            self._desk.advise(advice, self._run.number)

    def _start(self, ingest_name: str, node: str) -> bool:
        try:
            self._run = self._studio.start(ingest_name, node)
        except SourceRefused as refusal:
            logger.warning("%s is refused: %s", ingest_name, refusal)
            return self._desk.end(EndReason.INPUT_UNREADABLE, str(refusal))
        except OSError as error:  # a full disk, no FFmpeg, no more processes
            logger.error("no run of %s could be started: %s", ingest_name, error)
            reason = not_started(error)
            self._resume_at = self._clock() + self._backoff.after(reason, lived=0.0)
            trouble, before = explain(reason, str(error)), self._trouble
            self._trouble = trouble
            if trouble != before:  # a full disk is tried every few seconds
                self._desk.tell(EventKind.RUN_ENDED, f"No FFmpeg could be started. {trouble}")
            self._desk.crashed(self._backoff.failures)
        else:
            if self._run is not None:
                self._desk.tell(EventKind.RUN_STARTED, self._run.ladder, self._run.number)
        return False

    def _ask_to_stop(self, stop: Stop) -> None:
        run = self._run
        if run is None:
            return
        if stop.refuse_copy or stop.shed:
            self._desk.plan(refuse_copy=stop.refuse_copy, shed=stop.shed)
        if stop.reason in STOPPED_AS:
            self._desk.tell(*STOPPED_AS[stop.reason], run.number)
        if stop.shed < 0:
            text = "Ten quiet minutes: the next run has a quality more again."
            self._desk.tell(EventKind.RESTORED, text, run.number)
        run.asked, run.asked_at = stop.reason, self._clock()
        if (
            stop.reason is EndReason.REPLANNED
            and self._output is not None
            and not self._output.segments
        ):
            run.process.kill()  # a scrap of a first segment would only make players wait for more
        else:
            run.process.terminate()

    def _collect(self) -> None:
        run = self._run
        if run is None:
            return
        if run.ending is None:
            run.ending = self._classify(run)
        self._desk.run_ended(run, run.ending)
        run.process.close()
        self._trouble = run.ending.text
        self._resume_at = self._clock() + run.ending.delay
        self._run = self._output = None

    def _classify(self, run: RunHandle) -> Ending:
        log = last_words(run.folder / "ffmpeg.log")
        run.progress = read_progress(run.folder / "progress.txt")
        reason = classify(
            asked=run.asked,
            exit_code=run.process.exit_code,
            finished=run.progress is not None and run.progress.ended,
            produced=self._output is not None and self._output.segments > 0,
            log=log,
            disk_full=is_full(run.folder),
        )
        delay = self._backoff.after(reason, self._clock() - run.began)
        return Ending(reason, run.process.exit_code, log, delay, self._backoff.failures)

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
        self._run = None
