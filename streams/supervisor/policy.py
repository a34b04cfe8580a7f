"""The policy: what to do next about a broadcast, decided from facts alone.

All ages and durations are seconds.
"""

from dataclasses import dataclass

from streams.supervisor.states import BroadcastState, EndReason, Wanted

STALL_AFTER = 10.0
TERM_PATIENCE = 5.0
# A publisher's end reaches FFmpeg as end of file; it gets this long to write its last segment.
EOF_PATIENCE = 5.0
# Above this, cutting at the source's own key frames makes segments no player likes.
LONGEST_COPIED_SEGMENT = 4.5
SEGMENT_YOUNG = 12.0


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


@dataclass(frozen=True)
class Facts:
    wanted: Wanted
    publisher: str | None  # the internal name that is published now
    publisher_gone_for: float
    grace: float
    run: RunFacts | None
    resume_in: float = 0.0  # what is left of the back-off
    was_live: bool = False  # an earlier look saw segments


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


@dataclass(frozen=True)
class Kill:
    """It did not listen (KILL)."""


@dataclass(frozen=True)
class Collect:
    """The process is gone: classify, record, plan the next run."""


@dataclass(frozen=True)
class End:
    """No run is left and none is wanted: the broadcast is over."""

    reason: EndReason


Action = Wait | Start | Stop | Kill | Collect | End


def decide(facts: Facts) -> Action:
    if facts.run is None:
        return _without_run(facts)
    if facts.run.exited:
        return Collect()
    if facts.run.stopping_for is not None:
        return Kill() if facts.run.stopping_for >= TERM_PATIENCE else Wait()
    return _with_run(facts, facts.run)


def _without_run(facts: Facts) -> Action:
    if facts.wanted is Wanted.OFF:
        return End(EndReason.REQUESTED)
    if facts.publisher is None:
        gone = facts.publisher_gone_for >= facts.grace
        return End(EndReason.PUBLISHER_GONE) if gone else Wait()
    return Wait() if facts.resume_in > 0 else Start()


def _with_run(facts: Facts, run: RunFacts) -> Action:
    if facts.wanted is Wanted.OFF:
        return Stop(EndReason.REQUESTED)
    if facts.publisher is None:
        late = facts.publisher_gone_for >= EOF_PATIENCE
        return Stop(EndReason.PUBLISHER_GONE) if late else Wait()
    if facts.publisher != run.ingest_name:
        return Stop(EndReason.PUBLISHER_GONE)
    if run.progress_age >= STALL_AFTER and (run.segment_age or run.age) >= STALL_AFTER:
        return Stop(EndReason.STALLED)
    if run.source_changed:
        return Stop(EndReason.REPLANNED)
    if run.copies and _key_frames_too_far_apart(run):
        return Stop(EndReason.REPLANNED, refuse_copy=True)
    return Wait()


def _key_frames_too_far_apart(run: RunFacts) -> bool:
    no_segment_yet = run.segment_age is None and run.written > LONGEST_COPIED_SEGMENT
    return no_segment_yet or run.longest_segment > LONGEST_COPIED_SEGMENT


def state_of(facts: Facts) -> BroadcastState:
    """The state to report while the broadcast is open."""
    run = facts.run
    if run is not None and run.segment_age is not None and run.segment_age < SEGMENT_YOUNG:
        return BroadcastState.LIVE
    return BroadcastState.RECONNECTING if facts.was_live else BroadcastState.STARTING
