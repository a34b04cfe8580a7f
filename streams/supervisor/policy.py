"""The policy: what to do next about a broadcast, decided from facts alone.

All ages and durations are seconds.
"""

from dataclasses import dataclass

from streams.supervisor.states import BroadcastState, EndReason, Wanted

STALL_AFTER = 10.0
# While its input flows, an FFmpeg that has written before has no excuse.
FED_STALL_AFTER = 6.0
FLOWS_WITHIN = 2.5
TERM_PATIENCE = 5.0
# FFmpeg hears TERM between two reads: not at all while it waits for an ingest that is lost.
DEAF_PATIENCE = 1.0
# A publisher's end reaches FFmpeg as end of file; it gets this long to write its last segment.
EOF_PATIENCE = 5.0
# Above this, cutting at the source's own key frames makes segments no player likes.
LONGEST_COPIED_SEGMENT = 4.5
SEGMENT_YOUNG = 12.0
# Media time moves, but nothing that viewers could get: the folder is gone, or no key frame comes.
BARREN_AFTER = 30.0
SLOW_BELOW = 0.97
# The input may be slow as well, when the publisher's line is: fewer renditions would not help.
BEHIND_BY = 0.04
# Longer than a sample of the source is taken, whose reader may be slow as well.
DROPPING_AFTER = 20.0
# A run that has just begun waits for a key frame, and makes up for it.
JUDGED_AFTER = 30.0
QUIET_AFTER = 600.0
MOST_CRASHES = 8


@dataclass(frozen=True)
class RunFacts:
    """A run as it is seen now."""

    age: float
    exited: bool
    ingest_name: str
    progress_age: float  # since media time last moved, or since the spawn
    written: float  # media seconds written
    segment_age: float | None  # since its newest public segment; None: it has none
    stopping_for: float | None = None  # since it was sent TERM
    copies: bool = False  # its top rendition is the source's own video
    longest_segment: float = 0.0
    source_changed: bool = False
    speed: float | None = None  # media seconds per second, over the last 20; None before
    input_speed: float | None = None  # the same of what the publisher sends; None: unknown
    input_age: float | None = None  # since the publisher sent something; None: unknown
    dropping_for: float = 0.0  # since the ingest began to drop what it does not take in time
    folder_gone: bool = False
    settled: bool = True  # False: it was made for a source that has yet to come
    sheddable: bool = False  # it has an encoded rendition it could go without


@dataclass(frozen=True)
class Facts:
    wanted: Wanted
    publisher: str | None  # the internal name that is published now
    publisher_gone_for: float
    grace: float
    run: RunFacts | None
    resume_in: float = 0.0  # what is left of the back-off
    was_live: bool = False  # an earlier look saw segments
    crashes: int = 0  # fast ones in a row
    gave_up: bool = False  # on this publisher
    shed: int = 0  # encoded renditions left out for want of speed
    room: bool = True  # the host could carry one of them again


@dataclass(frozen=True)
class Wait:
    pass


@dataclass(frozen=True)
class Start:
    pass


@dataclass(frozen=True)
class Stop:
    """Ask the run to end (TERM)."""

    reason: EndReason
    refuse_copy: bool = False
    shed: int = 0  # renditions the next run has less; negative: more


@dataclass(frozen=True)
class Kill:
    """It did not listen (KILL)."""


@dataclass(frozen=True)
class Collect:
    """The process is gone: classify, record, plan the next run."""


@dataclass(frozen=True)
class GiveUp:
    """It crashed too often: no further run until somebody asks, or another publisher comes."""


@dataclass(frozen=True)
class End:
    """No run is left and none is wanted: the broadcast is over."""

    reason: EndReason


Action = Wait | Start | Stop | Kill | Collect | GiveUp | End


def decide(facts: Facts) -> Action:
    if facts.run is None:
        return _without_run(facts)
    if facts.run.exited:
        return Collect()
    if facts.run.stopping_for is not None:
        patience = DEAF_PATIENCE if _deaf(facts.run) else TERM_PATIENCE
        return Kill() if facts.run.stopping_for >= patience else Wait()
    return _with_run(facts, facts.run)


def _without_run(facts: Facts) -> Action:
    if facts.wanted is Wanted.OFF:
        return End(EndReason.REQUESTED)
    if facts.publisher is None:
        gone = facts.publisher_gone_for >= facts.grace
        return End(EndReason.PUBLISHER_GONE) if gone else Wait()
    if facts.gave_up:
        return Wait()
    if facts.crashes >= MOST_CRASHES:
        return GiveUp()
    return Wait() if facts.resume_in > 0 else Start()


def _with_run(facts: Facts, run: RunFacts) -> Action:
    if facts.wanted is Wanted.OFF:
        return Stop(EndReason.REQUESTED)
    if facts.publisher is None:
        late = facts.publisher_gone_for >= EOF_PATIENCE
        return Stop(EndReason.PUBLISHER_GONE) if late else Wait()
    if facts.publisher != run.ingest_name:
        return Stop(EndReason.PUBLISHER_GONE)
    if _stalled(run):
        unfed = not run.settled and not run.written  # its publisher has yet to send something
        return Stop(EndReason.INPUT_NOT_READY if unfed else EndReason.STALLED)
    if run.source_changed:
        return Stop(EndReason.REPLANNED)
    if run.copies and _key_frames_too_far_apart(run):
        return Stop(EndReason.REPLANNED, refuse_copy=True)
    if _slow(run) and run.sheddable:
        return Stop(EndReason.SLOW, shed=1)
    if facts.shed and facts.room and run.age >= QUIET_AFTER:
        return Stop(EndReason.REPLANNED, shed=-1)
    return Wait()


def _stalled(run: RunFacts) -> bool:
    """Neither progress nor a new segment, or no segment for long whatever progress says."""
    silent = run.age if run.segment_age is None else run.segment_age
    if run.folder_gone or silent >= BARREN_AFTER:
        return True
    fed = run.input_age is not None and run.input_age < FLOWS_WITHIN
    if fed and run.written and run.segment_age is not None:
        patience = max(FED_STALL_AFTER, run.longest_segment + FLOWS_WITHIN)
    else:
        patience = STALL_AFTER
    return min(run.progress_age, silent) >= patience


def _deaf(run: RunFacts) -> bool:
    unfed = run.input_age is None or run.input_age >= FLOWS_WITHIN
    return unfed and run.progress_age >= FLOWS_WITHIN


def _slow(run: RunFacts) -> bool:
    if run.age < JUDGED_AFTER:
        return False
    if run.dropping_for >= DROPPING_AFTER:
        return True
    if run.speed is None or run.input_speed is None:
        return False
    return run.speed < SLOW_BELOW and run.input_speed > run.speed + BEHIND_BY


def _key_frames_too_far_apart(run: RunFacts) -> bool:
    no_segment_yet = run.segment_age is None and run.written > LONGEST_COPIED_SEGMENT
    return no_segment_yet or run.longest_segment > LONGEST_COPIED_SEGMENT


def state_of(facts: Facts) -> BroadcastState:
    """The state to report while the broadcast is open."""
    run = facts.run
    if facts.gave_up:
        return BroadcastState.FAILED
    if run is not None and run.segment_age is not None and run.segment_age < SEGMENT_YOUNG:
        return BroadcastState.LIVE
    return BroadcastState.RECONNECTING if facts.was_live else BroadcastState.STARTING
