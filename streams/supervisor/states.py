"""The words of the supervisor. Imports nothing of ours.

Wanted is written by people and webhooks, state only by the supervisor that holds the lease.
"""

from enum import StrEnum


class Wanted(StrEnum):
    ON = "on"
    OFF = "off"


class BroadcastState(StrEnum):
    """starting -> live | ended | failed; live <-> reconnecting -> ended | failed."""

    STARTING = "starting"  # no segment yet
    LIVE = "live"  # a run delivers segments
    RECONNECTING = "reconnecting"  # publisher away within its grace, or between two runs
    ENDED = "ended"
    FAILED = "failed"


class RunState(StrEnum):
    """starting -> running -> ended; starting -> ended."""

    STARTING = "starting"  # spawned, no progress yet
    RUNNING = "running"
    ENDED = "ended"


AT_WORK = (RunState.STARTING, RunState.RUNNING)


class EndReason(StrEnum):
    """Why a run, or a broadcast, ended."""

    REQUESTED = "requested"
    PUBLISHER_GONE = "publisher_gone"
    INPUT_NOT_READY = "input_not_ready"
    INPUT_UNREADABLE = "input_unreadable"
    ENCODER_CRASHED = "encoder_crashed"
    KILLED = "killed"
    STALLED = "stalled"
    DISK_FULL = "disk_full"
    SLOW = "slow"
    REPLANNED = "replanned"
    LOST = "lost"


class EventKind(StrEnum):
    """What the timeline of a broadcast tells."""

    PUBLISHED = "published"
    RECONNECTED = "reconnected"
    TAKEN_OVER = "taken_over"
    PUBLISHER_LEFT = "publisher_left"
    REFUSED = "refused"
    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    ADOPTED = "adopted"
    LIVE = "live"
    STALLED = "stalled"
    SHED = "shed"
    RESTORED = "restored"
    REPLANNED = "replanned"
    NO_ROOM = "no_room"
    ADVICE = "advice"
    DISK = "disk"
    FAILED = "failed"
    RETRIED = "retried"
    STOP_ASKED = "stop_asked"
    ENDED = "ended"
