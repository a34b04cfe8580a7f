"""The sampler: takes samples of sources, each by an ffprobe that nobody waits for."""

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.ladder.lint import Finding, lint
from streams.ladder.probe import environment, only_this_input
from streams.ladder.rungs import Rung
from streams.ladder.sample import Sample, parse

# Two key frames of OBS's default distance, 8.3 s, lie within it wherever it begins.
SAMPLE_SECONDS = 18.0
PATIENCE = 12.0  # for what it does before and after
# A publish takes nothing from the start of a broadcast, nor do a hundred at once from the worker.
AFTER_START = 5.0
AT_ONCE = 2
AGAIN_AFTER = 60.0  # when no sample could be had
NICE = 10
ENTRIES = (
    "packet=codec_type,pts_time,dts_time,size,flags:stream=codec_type,codec_name,profile,width,"
    "height,sample_aspect_ratio,sample_rate"
)

_slots = threading.BoundedSemaphore(AT_ONCE)


class Sampler:
    """One ffprobe at work. It only lists packets and decodes nothing."""

    def __init__(self, url: str, seconds: float, now: float) -> None:
        """Raises OSError when ffprobe cannot be started."""
        self._deadline = now + seconds + PATIENCE
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        try:
            self._child = subprocess.Popen(
                _command(url, seconds),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
        except OSError:
            self._output.close()
            raise
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._child.pid, NICE)

    @property
    def pid(self) -> int:
        return self._child.pid

    def done(self, now: float) -> bool:
        """Whether it has ended; past its deadline it is killed."""
        if self._child.poll() is None and now >= self._deadline:
            self._child.kill()
            self._child.wait()
        return self._child.poll() is not None

    def take(self) -> Sample | None:
        """The sample, once it is done; None when there is none."""
        self._output.seek(0)
        return parse(self._output.read().decode("utf-8", "replace"))

    def close(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._output.close()


def _command(url: str, seconds: float) -> list[str]:
    command = ["ffprobe", "-loglevel", "quiet", "-print_format", "json=compact=1"]
    if url.startswith("rtmp"):
        command += ["-rw_timeout", "10000000"]
    command += only_this_input(url)
    command += ["-analyzeduration", "2000000", "-probesize", "2000000"]
    return [*command, "-read_intervals", f"%+{seconds:g}", "-show_entries", ENTRIES, url]


@dataclass(frozen=True)
class Inspection:
    """`key_frame_distance`: the longest one, in seconds; None without a picture."""

    findings: list[Finding]
    key_frame_distance: float | None


class Inspector:
    """Inspects what one broadcast's publishers send: once each, and again when it changed."""

    def __init__(self, seconds: float = SAMPLE_SECONDS) -> None:
        self._seconds = seconds
        self._inspected: tuple[object, ...] | None = None
        self._subject: tuple[object, ...] | None = None  # of the sampler
        self._sampler: Sampler | None = None
        self._not_before = 0.0

    def look(
        self,
        now: float,
        url: str,
        shape: tuple[object, ...],
        run_age: float,
        rungs: Callable[[], Sequence[Rung]],
    ) -> Inspection | None:
        """Never blocks. `shape`: what makes the source another one when it changes; `rungs` is
        asked for the profile once there is a sample."""
        subject = (url, *shape)
        if self._sampler is not None:
            return self._collect(self._sampler, now, subject, rungs)
        due = run_age >= AFTER_START and now >= self._not_before
        if due and subject != self._inspected and _slots.acquire(blocking=False):
            try:
                self._sampler = Sampler(url, self._seconds, now)
                self._subject = subject
            except OSError:
                _slots.release()
                self._not_before = now + AGAIN_AFTER
        return None

    def _collect(
        self,
        sampler: Sampler,
        now: float,
        subject: tuple[object, ...],
        rungs: Callable[[], Sequence[Rung]],
    ) -> Inspection | None:
        if subject == self._subject and not sampler.done(now):
            return None
        sample = sampler.take() if subject == self._subject else None
        self.close()
        if sample is None:
            self._not_before = now + (AGAIN_AFTER if subject == self._subject else 0.0)
            return None
        findings = lint(sample, rungs())
        self._inspected = subject
        picture = sample.picture
        distance = picture.longest_key_frame_distance if picture is not None else None
        return Inspection(findings, distance)

    def close(self) -> None:
        """End a sampler that is at work."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
            _slots.release()
