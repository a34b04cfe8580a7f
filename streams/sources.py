"""The source of a run: guessed before it is there, compared with what then comes, remembered in the
broadcast's row for its later runs and for the stream's later broadcasts."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streams.board import record
from streams.copied import KeyFrames, Trial
from streams.ladder.guess import UNKNOWN, guess, holds, turned_out
from streams.ladder.renditions import Rendition, choose
from streams.ladder.source import Source
from streams.lease import Lease
from streams.models import Broadcast, LadderProfile, Run
from streams.origin import run_folder
from streams.supervisor.policy import LONGEST_COPIED_SEGMENT
from streams.supervisor.roles import RunHandle, Unavailable

Ladder = Callable[[Source], tuple[Rendition, ...]]
# A publisher's metadata announce picture and sound together, but /stat shows each when it came.
SECOND_TRACK_WITHIN = 1.0
# How many broadcasts to look back for one whose source is known.
EARLIER = 3
NO_LONGER_LEARNT = 70.0  # seconds after a run began


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a run is made for. `ladder`: what a source would get; `copy_refused`: not a copy, for
    its key frames' sake; `adaptive`: too little is known, so the run has to suit what comes."""

    source: Source
    key_frame_distance: float | None  # as it was the last time
    ladder: Ladder
    copy_refused: bool
    guessed: bool
    adaptive: bool


def choose_source(broadcast: Broadcast, profile: LadderProfile, described: Source | None) -> Choice:
    known = guess(_earlier_sources(broadcast))
    distance = known.key_frame_distance if known is not None else None
    refused = broadcast.copy_refused or (distance or 0.0) > LONGEST_COPIED_SEGMENT
    copies = profile.allow_copy and not refused
    ladder = partial(choose, rungs=profile.rungs(), allow_copy=copies)
    source = described or (known.source if known is not None else UNKNOWN)
    renditions = ladder(source)
    copied = renditions[0].video == "copy" and all(r.max_fps is None for r in renditions)
    return Choice(
        source=source,
        key_frame_distance=distance,
        ladder=ladder,
        copy_refused=refused,
        guessed=described is None,
        adaptive=described is None and distance is None and copied,
    )


def _earlier_sources(broadcast: Broadcast) -> Iterator[dict[str, Any]]:
    """The likeliest first: of its own runs, of its stream's last broadcasts."""
    yield broadcast.source
    rows = Broadcast.objects.filter(stream_id=broadcast.stream_id).exclude(pk=broadcast.pk)
    yield from rows.order_by("-started_at").values_list("source", flat=True)[:EARLIER]


class RunSource:
    """Of the run that is watched."""

    def __init__(self, held: Lease) -> None:
        self._lease = held
        self.now: Source | None = None  # None: not compared yet with what comes
        self._choice: Choice | None = None  # None: adopted
        self.renditions: tuple[Rendition, ...] = ()
        self._adaptive = False
        self._confirmed = True
        self._described_at: float | None = None
        self._key_frame_distance: float | None = None
        self._trial: Trial | None = None

    def begin(self, choice: Choice, renditions: tuple[Rendition, ...], adaptive: bool) -> None:
        self._choice, self.renditions, self._adaptive = choice, renditions, adaptive
        self._confirmed = not choice.guessed
        self.now = choice.source if self._confirmed else None
        self._key_frame_distance = choice.key_frame_distance
        self._described_at = self._trial = None

    def adopt(self, broadcast: Broadcast, run: Run) -> None:
        """What was guessed for it is not known any more, only whether it was confirmed."""
        self._choice = self.now = self._described_at = self._trial = None
        self._confirmed = run.renditions == broadcast.renditions
        with contextlib.suppress(TypeError):  # made by a version of ours that knew other fields
            self.renditions = tuple(Rendition(**rendition) for rendition in run.renditions)
            if self._confirmed and any(r.video == "copy" for r in self.renditions[:1]):
                self._trial = Trial(self.renditions)
        self._key_frame_distance = broadcast.source.get("key_frame_distance")

    @property
    def settled(self) -> bool:
        return self._confirmed and (self._trial is None or self._trial.over)

    def has_changed(self, run: RunHandle, sent: Source | None) -> bool:
        """Whether what the publisher sends is not what the run was made for."""
        if sent is None or not _described(sent):
            return False
        if not self._confirmed and self._is_wrong(run, sent):
            return True
        if self._trial is not None and self._trial_failed(run, self._trial):
            return True
        if self.now is None and self._confirmed:  # adopted: what it is compared with later
            self.now = sent
        return self.now is not None and sent.complete and shape(sent) != shape(self.now)

    def _is_wrong(self, run: RunHandle, sent: Source) -> bool:
        choice = self._choice
        if choice is None:
            return True
        now = time.monotonic()
        self._described_at = self._described_at or now
        alone = sent.video is None or sent.audio is None
        if alone and now - self._described_at < SECOND_TRACK_WITHIN:
            return False
        wanted = choice.ladder(sent)
        if not self._adaptive:
            names = {rendition.name for rendition in self.renditions}
            renditions = tuple(rendition for rendition in wanted if rendition.name in names)
            right = holds(choice.source, sent, choice.ladder)
        else:
            renditions = turned_out(self.renditions, wanted) or ()
            right = bool(renditions) and sent.video is not None and sent.video.codec == "h264"
            self._trial = Trial(renditions) if right else None
        if right:
            self._confirm(run, sent, renditions)
        return not right

    def _confirm(self, run: RunHandle, sent: Source, renditions: tuple[Rendition, ...]) -> None:
        """The run has the right renditions; only now is it known what they are."""
        if self._publish(run, sent, renditions):
            self.now, self.renditions, self._confirmed = sent, renditions, True

    def _trial_failed(self, run: RunHandle, trial: Trial) -> bool:
        if self.now is None:
            return False
        failed = trial.look(run.folder)
        if trial.without_copy != self.renditions and trial.hidden:
            self.renditions = trial.without_copy
            self._publish(run, self.now, self.renditions)
        return failed

    def _publish(self, run: RunHandle, source: Source, renditions: tuple[Rendition, ...]) -> bool:
        try:
            run_folder.describe_run(run.folder, renditions)
        except OSError:  # the folder is gone, or the disk is full: the policy sees to that
            return False
        columns = [dataclasses.asdict(rendition) for rendition in renditions]
        with contextlib.suppress(Unavailable), record():
            Run.objects.filter(pk=run.run_id).update(renditions=columns)
            self._write(source, renditions=columns)
            return True
        return False

    def learn_key_frames(self, run: RunHandle) -> None:
        """Remember how far apart the source's own key frames are: later runs are planned by it."""
        if self.now is None or time.monotonic() - run.began > NO_LONGER_LEARNT:
            return
        distance = KeyFrames.of(run.folder).distance(run.meter.written)
        if distance is not None and distance != self._key_frame_distance:
            with contextlib.suppress(Unavailable), record():
                self._key_frame_distance = distance
                self._write(self.now)

    def _write(self, source: Source, **columns: Any) -> None:
        known = record_of(source, self._key_frame_distance)
        rows = Broadcast.objects.filter(pk=self._lease.broadcast_id, fence=self._lease.fence)
        rows.update(source=known, **columns)


def record_of(source: Source, key_frame_distance: float | None = None) -> dict[str, Any]:
    """What `streams.ladder.guess.recall` reads."""
    return dataclasses.asdict(source) | {"key_frame_distance": key_frame_distance}


def _described(source: Source) -> bool:
    """Whether /stat tells enough for a ladder; a missing frame rate changes none."""
    video = source.video
    if video is None:
        return source.audio is not None
    return bool(video.codec and video.width and video.height)


def shape(source: Source) -> tuple[object, ...]:
    """What makes another source of it when it changes."""
    video, audio = source.video, source.audio
    return (
        (video.codec, video.width, video.height) if video is not None else None,
        audio.codec if audio is not None else None,
    )
