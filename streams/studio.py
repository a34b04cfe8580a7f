"""The studio: makes a broadcast's runs (source, ladder, folder, FFmpeg), watches their output."""

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from streams import broadcast_folder, capacity, continuation, lease, timeline, unfinished
from streams.allowance import Allowance
from streams.board import record
from streams.capacity import Plan
from streams.identity import HOST
from streams.ingest_node import IngestUnreachable
from streams.ingest_nodes import IngestNodes
from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.probe import ProbeError, probe
from streams.ladder.renditions import Rendition
from streams.ladder.rungs import Rung
from streams.ladder.sampler import Inspector
from streams.ladder.source import Source
from streams.lease import Lease
from streams.models import Broadcast, Run
from streams.once import insert_once
from streams.origin import run_folder
from streams.origin.output import RunOutput
from streams.origin.run_folder import Continuation
from streams.sources import RunSource, choose_source, record_of, shape
from streams.supervisor.process import Process
from streams.supervisor.roles import (
    Advice,
    Input,
    LeaseLost,
    Output,
    RunHandle,
    SourceRefused,
    Unavailable,
)
from streams.supervisor.states import EventKind

SEGMENT_SECONDS = 2
# Metadata announce audio and video together; sound that comes later starts a new run.
AUDIO_PATIENCE = 1.0
PROBE_TIMEOUT = 6.0
# So long after a publish, its publisher may still be waiting for the hook's answer.
EARLY = 2.0
MEDIA_PATIENCE = 20.0
# Ten quiet minutes are waited for anyway; a full host asks this of each of its broadcasts.
ROOM_EVERY = 30.0
# Empty: announced, but not seen yet.
PLAYABLE = ("h264", "")
ENHANCED = ("jpeg", "mjpeg", "screenvideo", "flashsv")


class BroadcastStudio:
    """Implements `streams.supervisor.roles.Studio`."""

    def __init__(self, held: Lease, nodes: IngestNodes, root: Path) -> None:
        self._lease = held
        self._began = time.monotonic()
        self._nodes = nodes
        self._root = root
        self._waiting: tuple[str, float] | None = None
        # All of the run that is watched.
        self._node = nodes.local
        self._source = RunSource(held)
        self._output: RunOutput | None = None
        self._allowance: Allowance | None = None  # None: adopted
        self._room, self._room_due = False, 0.0
        self._untold: Allowance | None = None  # what its source turned out to allow
        self._inspector = Inspector()

    def adopt(self) -> RunHandle | None:
        """Take over the newest run that still lives on this host; settle all others."""
        adopted: RunHandle | None = None
        with record(), contextlib.ExitStack() as undo:
            # It may have taken long to come here; what is done now would hurt the next holder.
            late = time.monotonic() - self._began > lease.RENEW_EVERY
            if late and not lease.renew(self._lease):
                raise LeaseLost
            for run in unfinished.rows(self._lease).order_by("-number"):
                # Whatever this host was called then: machines are renamed while they are on air.
                process = Process.adopt(run.pk.hex, self._root, run.pid)
                if process is not None and adopted is None:
                    adopted = self._take_over(run, process)
                    undo.callback(process.leave)  # it is adopted anew with the next attempt
                    continue
                unfinished.settle(self._lease, run, self._root)
                if process is not None:
                    process.put_down()
            undo.pop_all()
        return adopted

    def _take_over(self, run: Run, process: Process) -> RunHandle:
        try:
            rows = unfinished.rows(self._lease).filter(pk=run.pk)
            if rows.update(fence=self._lease.fence, host=HOST) != 1:
                raise LeaseLost
            broadcast = Broadcast.objects.get(pk=run.broadcast_id)
            self._node = self._nodes.named(broadcast.ingest_node)
            self._source.adopt(broadcast, run)
        except BaseException:
            process.leave()
            raise
        with contextlib.suppress(OSError):
            run_folder.adopt_run(self._root / run.folder, self._lease.fence)
        return self._handle(run, process)

    def _handle(self, run: Run, process: Process) -> RunHandle:
        folder = self._root / run.folder
        self._output = RunOutput(folder)
        age = max(0.0, (timezone.now() - run.started_at).total_seconds())
        ways = [rendition.get("video") for rendition in run.renditions]
        return RunHandle(
            run_id=run.pk.hex,
            process=process,
            folder=folder,
            ingest_name=run.ingest_name,
            copies="copy" in ways,
            began=time.monotonic() - age,
            number=run.number,
            sheddable="x264" in ways and len(ways) > 1,
            ladder=", ".join(r["name"] for r in run.renditions),
            settled=self._source.settled,
        )

    def start(self, ingest_name: str, node: str) -> RunHandle | None:
        self._node = self._nodes.named(node)
        early = self._is_early(ingest_name)
        source = None if early else self._describe(ingest_name)
        if source is None and not early:
            return None
        if source is not None and source.video is not None and source.video.codec != "h264":
            raise SourceRefused(
                f"The video is {_said(source.video.codec)}; set the encoder to H.264 (x264, NVENC "
                "H.264…)."
            )
        before = self._after_the_last_run()
        with record(), capacity.deciding() as load:
            # So may asking other hosts.
            if not lease.renew(self._lease):
                raise LeaseLost
            # Their starts failed before anybody could note that.
            for orphan in unfinished.rows(self._lease):
                unfinished.settle(self._lease, orphan, self._root)
            broadcast = Broadcast.objects.prefetch_related("stream").get(
                pk=self._lease.broadcast_id
            )
            profile = broadcast.stream.ladder
            choice = choose_source(broadcast, profile, source)
            ladder = choice.ladder(choice.source)
            plan = capacity.plan(choice.source, ladder, broadcast.shed, load)
            run = self._open_run(broadcast, ingest_name, plan, before)
        allowance = Allowance(choice, plan, broadcast.shed, run.pk)
        with unfinished.closed_if_it_fails(self._lease, run):
            process = self._spawn(run, choice.source, plan.renditions, allowance.adaptive)
        limited = dataclasses.replace(choice, ladder=allowance.ladder)
        self._source.begin(limited, plan.renditions, allowance.adaptive)
        self._allowance, self._untold = allowance, allowance if early else None
        columns: dict[str, Any] = {
            "copy_refused": choice.copy_refused,
            "restarts": run.number - 1,
        }
        if not early:  # what is guessed is not what is
            self._waiting = None
            known = record_of(choice.source, choice.key_frame_distance)
            columns |= {"source": known, "renditions": run.renditions}
        # From here on there is an FFmpeg: whatever happens to the record, it is watched.
        with contextlib.suppress(Unavailable), record():
            Run.objects.filter(pk=run.pk).update(pid=process.pid)
            if early:
                self._broadcast_row().update(**columns)
            else:
                self._tell(plan, run.number, **columns)
        return self._handle(run, process)

    def _broadcast_row(self) -> QuerySet[Broadcast]:
        return Broadcast.objects.filter(pk=self._lease.broadcast_id, fence=self._lease.fence)

    def _tell(self, plan: Plan, number: int, **columns: Any) -> None:
        """Write down why the ladder is as long as it is, and these columns."""
        row = self._broadcast_row()
        news = plan.copy_only and row.filter(copy_only=False).exists()
        row.update(copy_only=plan.copy_only, ladder_note=plan.note, **columns)
        if news:
            timeline.note(self._lease.broadcast_id, EventKind.NO_ROOM, plan.note, run_number=number)

    def _after_the_last_run(self) -> Continuation:
        """Its folder's beginning, and where the numbers go on; other hosts may have to be asked."""
        with record():
            # Describing may have taken longer than the lease had left, and the folder may be the
            # next holder's by now.
            if not lease.renew(self._lease):
                raise LeaseLost
            row = Broadcast.objects.prefetch_related("stream").get(pk=self._lease.broadcast_id)
        broadcast_folder.begin(self._root, row, self._lease.fence)
        with record():
            return continuation.after(row, self._root)

    def _open_run(
        self, broadcast: Broadcast, ingest_name: str, plan: Plan, before: Continuation
    ) -> Run:
        newest = Run.objects.filter(broadcast=broadcast).order_by("-number").first()
        number = newest.number + 1 if newest is not None else 1
        run_id: UUID = uuid4()
        stream = broadcast.stream
        # The row first: it takes the number, which no second folder may have.
        run = Run(
            id=run_id,
            broadcast=broadcast,
            number=number,
            fence=self._lease.fence,
            host=HOST,
            ingest_name=ingest_name,
            renditions=[dataclasses.asdict(rendition) for rendition in plan.renditions],
            cpu=plan.cores,
        )
        insert_once(run)
        with unfinished.closed_if_it_fails(self._lease, run):
            opened = run_folder.open_run(
                self._root,
                stream.name,
                broadcast.pk.hex,
                run_id.hex,
                number,
                plan.renditions,
                SEGMENT_SECONDS,
                fence=self._lease.fence,
                # Should the folders before it be lost or elsewhere, its numbers go on all the same.
                before=before,
            )
        run.folder = str(opened.folder.relative_to(self._root))
        run.first_sequence = opened.first_sequence
        run.save(update_fields=["folder", "first_sequence"])
        return run

    def _spawn(
        self, run: Run, source: Source, renditions: tuple[Rendition, ...], adaptive: bool
    ) -> Process:
        folder = self._root / run.folder
        argv = ffmpeg_arguments(
            source,
            renditions,
            input_url=self._node.pull(run.ingest_name),
            folder=folder,
            segment_seconds=SEGMENT_SECONDS,
            adaptive=adaptive,
        )
        return Process.spawn(
            argv,
            run_id=run.pk.hex,
            root=self._root,
            log=folder / "ffmpeg.log",
            limits=settings.FFMPEG_LIMITS,
        )

    def _is_early(self, ingest_name: str) -> bool:
        """Whether an FFmpeg that is started now may be there for the first picture."""
        try:
            publisher = self._node.publishers().get(ingest_name)
        except IngestUnreachable:
            return False
        silent = publisher is None or not publisher.active
        return silent and self._waited_for(ingest_name) < EARLY

    def _describe(self, ingest_name: str) -> Source | None:
        """What the publisher sends, or None while it cannot be told. Raises SourceRefused."""
        try:
            publisher = self._node.publishers().get(ingest_name)
        except IngestUnreachable:
            return None
        if publisher is None:
            return None
        waited = self._waited_for(ingest_name)
        source = publisher.source
        if source is not None and source.video is not None and source.video.codec not in PLAYABLE:
            return source
        if source is not None and (source.complete or source.video is not None):
            alone = source.audio is None or source.video is None
            if alone and waited < AUDIO_PATIENCE:
                return None
            if source.complete:
                return source
            with contextlib.suppress(ProbeError):
                return probe(self._node.pull(ingest_name), PROBE_TIMEOUT)
        if waited > MEDIA_PATIENCE:
            # nginx's own idle timer starts with the first picture or sound.
            raise SourceRefused(
                "The encoder is connected but sends no usable picture or sound; restart it, and "
                "set it to H.264 and AAC."
            )
        return None

    def _waited_for(self, ingest_name: str) -> float:
        """Seconds since this publisher was first looked at for a run."""
        now = time.monotonic()
        if self._waiting is None or self._waiting[0] != ingest_name:
            self._waiting = (ingest_name, now)
        return now - self._waiting[1]

    def output(self, run: RunHandle) -> Output:
        if self._output is None:
            self._output = RunOutput(run.folder)
        seen = self._output.look()
        return Output(seen.segments, seen.newest_at, seen.age, seen.longest, seen.gone)

    def input(self, run: RunHandle) -> Input | None:
        try:
            publisher = self._node.publishers().get(run.ingest_name)
        except IngestUnreachable:
            return None
        if publisher is None:
            return None
        self._source.learn_key_frames(run)
        changed = self._source.has_changed(run, publisher.source)
        run.settled = self._source.settled
        if self._untold is not None and self._source.now is not None:
            self._weigh(run, self._untold, self._source.now)
        return Input(publisher.timestamp, publisher.dropped, changed)

    def _weigh(self, run: RunHandle, allowance: Allowance, source: Source) -> None:
        """An early run's source is known now: so is what it costs, and what is missing."""
        plan = allowance.known(source, self._source.renditions)
        with contextlib.suppress(Unavailable), record():
            self._tell(plan, run.number)
            if run.cpu.cores is None:
                Run.objects.filter(pk=run.run_id).update(cpu=plan.cores)
            self._untold = None

    def advice(self, run: RunHandle | None) -> list[Advice] | None:
        if run is None or run.process.exited or self._source.now is None:
            self._inspector.close()
            return None
        now = time.monotonic()
        url = self._node.pull(run.ingest_name)
        inspection = self._inspector.look(
            now, url, shape(self._source.now), now - run.began, self._rungs
        )
        if inspection is None:
            return None
        return [Advice(found.code, found.advice, found.severity) for found in inspection.findings]

    def _rungs(self) -> list[Rung]:
        with record():
            broadcasts = Broadcast.briefly().filter(pk=self._lease.broadcast_id)
            broadcast = broadcasts.prefetch_related("stream").first()
            return broadcast.stream.ladder.rungs() if broadcast is not None else []

    def close(self) -> None:
        """End what looks at the source; FFmpeg goes on."""
        self._inspector.close()

    def has_room(self, run: RunHandle) -> bool:
        missing = capacity.USUAL
        if self._allowance is not None and self._source.now is not None:
            missing = self._allowance.missing(self._source.now)
        now = time.monotonic()
        if now >= self._room_due:
            self._room_due, self._room = now + ROOM_EVERY, False
            with contextlib.suppress(Unavailable), record():
                self._room = capacity.load().room_for(missing)
        return self._room


def _said(codec: str) -> str:
    """nginx-rtmp and FFmpeg know nothing of enhanced RTMP, and take its packets for old codecs."""
    return "HEVC or AV1" if codec in ENHANCED else codec
