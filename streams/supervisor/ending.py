"""Endings: why a run ended, from its exit code and FFmpeg's last words."""

import errno
import re
import signal

from streams.supervisor.states import EndReason

# FFmpeg ends itself with 255 after SIGINT or SIGTERM; a Popen reports signals as negative codes.
ASKED_TO_STOP = 255
NOT_READY = re.compile(r"Input/output error|Connection refused|Connection reset|End of file", re.I)
UNREADABLE = re.compile(
    r"Invalid data found|Could not find codec parameters|Decoder .* not found"
    r"|matches no streams|Unknown decoder",
    re.I,
)


def classify(
    *, asked: EndReason | None, exit_code: int | None, finished: bool, produced: bool, log: str
) -> EndReason:
    """`asked`: what we stopped it for; `exit_code` None for an adopted process (only its parent
    learns it); `finished`: its progress file says `end`; `produced`: it made a segment."""
    if asked is not None:
        return asked
    if exit_code == 0 or (exit_code is None and finished):
        return EndReason.PUBLISHER_GONE
    if exit_code == ASKED_TO_STOP or exit_code is None or exit_code < 0:
        return EndReason.KILLED if not _crashed(exit_code) else EndReason.ENCODER_CRASHED
    if not produced and NOT_READY.search(log):
        return EndReason.INPUT_NOT_READY
    if UNREADABLE.search(log):
        return EndReason.INPUT_UNREADABLE
    return EndReason.ENCODER_CRASHED


def _crashed(exit_code: int | None) -> bool:
    faults = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
    return exit_code is not None and -exit_code in faults


def not_started(error: OSError) -> EndReason:
    """Why a run could not even be started."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EndReason.DISK_FULL if full else EndReason.ENCODER_CRASHED


def explain(reason: EndReason, log: str) -> str:
    """What happened, in one sentence for the streamer."""
    words = log.strip().splitlines()
    return f"{reason.value.replace('_', ' ').capitalize()}: {words[-1]}" if words else ""
