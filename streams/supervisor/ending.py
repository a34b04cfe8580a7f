"""Endings: why a run ended, from its exit code and FFmpeg's last words, and that in a sentence."""

import errno
import re
import signal

from streams.supervisor.states import EndReason

# FFmpeg ends itself with 255 after SIGINT or SIGTERM; a Popen reports signals as negative codes.
ASKED_TO_STOP = 255
FAULTS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded", re.I)
# Of the input's own line only: a disk can have an input/output error too.
NOT_READY = re.compile(
    r"^(rtmps?://\S+|.*Error opening input): (Input/output error|Connection (refused|reset.*"
    r"|timed out)|End of file|Broken pipe|Operation (not permitted|timed out)"
    r"|Network is unreachable)",
    re.I | re.M,
)
# A damaged picture says `Invalid data` as well, and is survived.
UNREADABLE = re.compile(
    r"^(\S+|.*Error opening input): Invalid data found when processing input"
    r"|Could not find codec parameters|Decoder .* not found|Unknown decoder"
    r"|matches no streams|does not contain any stream",
    re.I | re.M,
)
FAILED = re.compile(
    r"av_interleaved_write_frame\(\)|Could not write header|Conversion failed|Unknown encoder"
    r"|Cannot allocate memory|Assertion .* failed"
    r"|Error (while (?!decoding)|writing|initializing|opening|submitting|muxing|sending)",
    re.I,
)


def classify(
    *,
    asked: EndReason | None,
    exit_code: int | None,
    finished: bool,
    produced: bool,
    log: str,
    disk_full: bool = False,
) -> EndReason:
    """`asked`: what we stopped it for; `exit_code` None for an adopted process (only its parent
    learns it); `finished`: its progress file says `end`, as it does after errors too; `produced`:
    it made a segment; `disk_full`: there is no room where it writes, maybe not for its log."""
    full = disk_full or NO_SPACE.search(log) is not None
    # On a full disk FFmpeg may go on with empty segments: it looks like a stall.
    if asked is not None and not (full and asked is EndReason.STALLED):
        return asked
    if exit_code is not None and exit_code < 0 and asked is None:
        return EndReason.ENCODER_CRASHED if -exit_code in FAULTS else EndReason.KILLED
    if full:
        return EndReason.DISK_FULL
    if exit_code == 0:
        return EndReason.PUBLISHER_GONE if produced else EndReason.INPUT_NOT_READY
    if exit_code == ASKED_TO_STOP:
        return EndReason.KILLED
    return _by_words(finished, produced, log, known_to_fail=exit_code is not None)


def _by_words(finished: bool, produced: bool, log: str, *, known_to_fail: bool) -> EndReason:
    if not produced and NOT_READY.search(log):
        return EndReason.INPUT_NOT_READY
    if not produced and UNREADABLE.search(log):
        return EndReason.INPUT_UNREADABLE
    if known_to_fail or FAILED.search(log):
        return EndReason.ENCODER_CRASHED
    return EndReason.PUBLISHER_GONE if finished else EndReason.KILLED


def not_started(error: OSError) -> EndReason:
    """Why a run could not even be started."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EndReason.DISK_FULL if full else EndReason.ENCODER_CRASHED


SENTENCES = {
    EndReason.REQUESTED: "It was stopped by hand, or nobody wants the broadcast any more.",
    EndReason.PUBLISHER_GONE: "The publisher disconnected, or another one took its place.",
    EndReason.INPUT_NOT_READY: (
        "The ingest had nothing to give to FFmpeg yet; it tries again in a second. When this "
        "repeats, restart the stream in OBS."
    ),
    EndReason.INPUT_UNREADABLE: (
        "FFmpeg could not make sense of what the encoder sends. Set it to H.264 and AAC, then "
        "restart the stream."
    ),
    EndReason.ENCODER_CRASHED: (
        "FFmpeg ended with an error; its last words, in the admin, tell more. When this repeats, "
        "restart the stream in OBS."
    ),
    EndReason.KILLED: "FFmpeg was ended from outside, by a person or by the system.",
    EndReason.STALLED: (
        "FFmpeg wrote nothing for ten seconds and was replaced. When this repeats, look at the "
        "connection between OBS and this server, and at the load of this machine."
    ),
    EndReason.DISK_FULL: (
        "The disk is full, so nothing could be written. Free some space; FFmpeg starts again by "
        "itself."
    ),
    EndReason.SLOW: (
        "FFmpeg was slower than real time, so the next one makes fewer renditions. For all of "
        "them this machine needs more cores, or the ladder fewer or smaller renditions."
    ),
    EndReason.REPLANNED: (
        "The source or the ladder changed, so another FFmpeg took over with what fits now."
    ),
    EndReason.LOST: (
        "FFmpeg was gone when a worker looked for it: the machine was restarted, or FFmpeg was "
        "ended while no worker ran."
    ),
}
# Of a whole broadcast, where it differs from a run's.
FAREWELLS = {
    EndReason.REQUESTED: "The broadcast was stopped.",
    EndReason.PUBLISHER_GONE: "The publisher did not come back in time; the broadcast is over.",
}
OUT_OF_MEMORY = (
    "FFmpeg was killed from outside. If nobody did that by hand, the machine ran out of memory "
    "(`dmesg` names the victims): make fewer renditions, or give it more."
)

# FFmpeg's words, and what they mean to who has to do something about them. First match wins.
MEANINGS = [
    (r"No such file or directory: 'ffmpeg'", "FFmpeg is not installed, or not where the worker "
     "looks for programs."),
    (r"Unknown encoder", "This FFmpeg was built without an encoder that the ladder needs (x264 or "
     "AAC). Install your system's full ffmpeg package."),
    (r"Unrecognized option|Option .* not found|No such filter", "This FFmpeg does not know an "
     "option that LiveStream uses. Install FFmpeg 5.1 or newer."),
    (r"Cannot allocate memory", "The machine ran out of memory. Make fewer renditions, or give it "
     "more."),
    (r"Resource temporarily unavailable|pthread_create", "FFmpeg could start no more threads. "
     "Raise the limit of processes of the service, or run fewer broadcasts on this machine."),
    (r"Too many open files", "FFmpeg ran out of open files. Raise the limit of open files of the "
     "service."),
    (r"Read-only file system", "The disk that holds the segments is read-only, often after a fault "
     "of the disk. Look at it with `dmesg`."),
    (r"Permission denied", "FFmpeg may not write where the segments go. The state folder has to "
     "belong to the user that runs the worker."),
    (r"Failed to open file|failed to rename|write_frame|No such file or directory",
     "The folder of the run vanished while FFmpeg wrote to it, or could not be written. Do not "
     "clear the state folder by hand while something is on air."),
    (r"Error while opening encoder", "The encoder refused the picture's size or rate. Set a usual "
     "one in OBS, such as 1920x1080 at 30 frames a second."),
    (r"matches no streams|does not contain any stream", "A picture or sound that was announced "
     "never came. Restart the stream in OBS."),
    (r"Reconfiguring filter|Error reinitializing filters|Changing .* on the fly", "The picture "
     "changed its size or format in the middle of the stream. Keep one output size in OBS."),
    (r"non.monoton\w+ (increasing )?dts|Non-monotonous DTS|Application provided invalid",
     "The times in the stream jump. Restart the stream in OBS; when it comes back, set a constant "
     "frame rate."),
    (r"Packet corrupt|Invalid NAL unit|Error splitting the input|error while decoding|decode_slice",
     "The picture arrived damaged. Look at the connection and the encoder of the publisher."),
]  # fmt: skip


def explain(reason: EndReason, log: str, exit_code: int | None = None) -> str:
    """What happened, why, and what to do, in plain words for streamers and admins."""
    if reason is EndReason.KILLED and exit_code == -signal.SIGKILL:
        return OUT_OF_MEMORY
    if reason is EndReason.ENCODER_CRASHED or reason is EndReason.INPUT_UNREADABLE:
        for words, meaning in MEANINGS:
            if re.search(words, log, re.I):
                return meaning
    if reason is EndReason.ENCODER_CRASHED and exit_code is not None and -exit_code in FAULTS:
        return (
            f"FFmpeg crashed ({signal.Signals(-exit_code).name}). When this repeats, update "
            "FFmpeg; a damaged stream or faulty memory can cause it too."
        )
    return SENTENCES[reason]


def farewell(reason: EndReason) -> str:
    """Why a broadcast is over."""
    return FAREWELLS.get(reason) or explain(reason, "")
