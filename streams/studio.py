"""The studio: makes a broadcast's runs (source, ladder, folder, FFmpeg), watches their output."""

import contextlib
import dataclasses
import re
import time
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.utils import timezone

from streams import lease
from streams.desk import record
from streams.ingest_node import IngestNode, IngestUnreachable
from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.probe import ProbeError, probe
from streams.ladder.renditions import Rendition, choose
from streams.ladder.source import Source
from streams.lease import HOST, Lease
from streams.models import Broadcast, LadderProfile, Run
from streams.origin import run_folder
from streams.supervisor.process import Process
from streams.supervisor.roles import LeaseLost, RunHandle, SourceRefused, Unavailable
from streams.supervisor.states import EndReason, RunState

SEGMENT_SECONDS = 2
# Metadata announce audio and video together; sound that comes later starts a new run.
AUDIO_PATIENCE = 1.0
PROBE_TIMEOUT = 6.0
MEDIA_PATIENCE = 20.0
EXTINF = re.compile(rb"#EXTINF:([0-9.]+)")


class BroadcastStudio:
    """Implements `streams.supervisor.roles.Studio`."""

    def __init__(self, held: Lease, node: IngestNode, root: Path) -> None:
        self._lease = held
        self._node = node
        self._root = root
        self._waiting: tuple[str, float] | None = None
        self._source: Source | None = None  # of the run that is watched

    def adopt(self) -> RunHandle | None:
        """Take over the newest run that still lives on this host; settle all others."""
        adopted: RunHandle | None = None
        with record():
            unfinished = Run.objects.filter(broadcast_id=self._lease.broadcast_id).exclude(
                state=RunState.ENDED
            )
            for run in unfinished.order_by("-number"):
                process = Process.adopt(run.pk.hex, self._root) if run.host == HOST else None
                if process is not None and adopted is None:
                    Run.objects.filter(pk=run.pk).update(fence=self._lease.fence)
                    adopted = self._handle(run, process)
                    continue
                if process is not None:
                    process.put_down()
                Run.objects.filter(pk=run.pk).update(
                    state=RunState.ENDED, ended_at=timezone.now(), end_reason=EndReason.LOST
                )
        return adopted

    def _handle(self, run: Run, process: Process) -> RunHandle:
        return RunHandle(
            run_id=run.pk.hex,
            process=process,
            folder=self._root / run.folder,
            ingest_name=run.ingest_name,
            copies=any(rendition.get("video") == "copy" for rendition in run.renditions),
            began=time.monotonic(),
        )

    def start(self, ingest_name: str) -> RunHandle | None:
        source = self._describe(ingest_name)
        if source is None:
            return None
        if source.video is not None and source.video.codec != "h264":
            raise SourceRefused(
                f"The video is {source.video.codec}; set the encoder to H.264 (x264, NVENC H.264…)."
            )
        self._waiting = None
        with record():
            # Describing may have taken longer than the lease had left.
            if not lease.renew(self._lease):
                raise LeaseLost
            broadcast = Broadcast.objects.prefetch_related("stream").get(
                pk=self._lease.broadcast_id
            )
            profile = LadderProfile.objects.get(streams=broadcast.stream)
            renditions = choose(
                source,
                profile.rungs(),
                allow_copy=profile.allow_copy and not broadcast.copy_refused,
            )
            run = self._open_run(broadcast, ingest_name, renditions)
        process = self._spawn(run, source, renditions)
        self._source = source
        # From here on there is an FFmpeg: whatever happens to the record, it is watched.
        with contextlib.suppress(Unavailable), record():
            Run.objects.filter(pk=run.pk).update(pid=process.pid)
            Broadcast.objects.filter(pk=broadcast.pk, fence=self._lease.fence).update(
                source=dataclasses.asdict(source),
                renditions=run.renditions,
                restarts=run.number - 1,
            )
        return self._handle(run, process)

    def _open_run(
        self, broadcast: Broadcast, ingest_name: str, renditions: tuple[Rendition, ...]
    ) -> Run:
        newest = Run.objects.filter(broadcast=broadcast).order_by("-number").first()
        number = newest.number + 1 if newest is not None else 1
        run_id: UUID = uuid4()
        stream = broadcast.stream
        run_folder.open_broadcast(
            self._root, stream.name, broadcast.pk.hex, broadcast.started_at, stream.grace_seconds
        )
        # The row first: it takes the number, which no second folder may have.
        run = Run.objects.create(
            id=run_id,
            broadcast=broadcast,
            number=number,
            fence=self._lease.fence,
            host=HOST,
            ingest_name=ingest_name,
            renditions=[dataclasses.asdict(rendition) for rendition in renditions],
        )
        folder = run_folder.open_run(
            self._root,
            stream.name,
            broadcast.pk.hex,
            run_id.hex,
            number,
            renditions,
            SEGMENT_SECONDS,
        )
        run.folder = str(folder.relative_to(self._root))
        run.save(update_fields=["folder"])
        return run

    def _spawn(self, run: Run, source: Source, renditions: tuple[Rendition, ...]) -> Process:
        folder = self._root / run.folder
        argv = ffmpeg_arguments(
            source,
            renditions,
            input_url=f"{settings.RTMP_PULL_URL}/{run.ingest_name}",
            folder=folder,
            segment_seconds=SEGMENT_SECONDS,
        )
        return Process.spawn(
            argv,
            run_id=run.pk.hex,
            root=self._root,
            log=folder / "ffmpeg.log",
            limits=settings.FFMPEG_LIMITS,
        )

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
        if source is not None and (source.complete or source.video is not None):
            alone = source.audio is None or source.video is None
            if alone and waited < AUDIO_PATIENCE:
                return None
            if source.complete:
                return source
            with contextlib.suppress(ProbeError):
                return probe(f"{settings.RTMP_PULL_URL}/{ingest_name}", PROBE_TIMEOUT)
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

    def segment_age(self, run: RunHandle) -> float | None:
        newest = run_folder.newest_segment_at(run.folder)
        return max(0.0, time.time() - newest) if newest is not None else None

    def longest_segment(self, run: RunHandle) -> float:
        """Seconds, of what the newest playlists of the run still list."""
        durations = [
            float(duration)
            for playlist in run.folder.glob("*/index.m3u8")
            for duration in EXTINF.findall(playlist.read_bytes())
        ]
        return max(durations, default=0.0)

    def source_changed(self, run: RunHandle) -> bool:
        try:
            publisher = self._node.publishers().get(run.ingest_name)
        except IngestUnreachable:
            return False
        now = publisher.source if publisher is not None else None
        if now is None or not now.complete:
            return False
        if self._source is None:  # adopted: what it is now is what it is compared with later
            self._source = now
        return _shape(now) != _shape(self._source)


def _shape(source: Source) -> tuple[object, ...]:
    video, audio = source.video, source.audio
    return (
        (video.codec, video.width, video.height) if video is not None else None,
        audio.codec if audio is not None else None,
    )
