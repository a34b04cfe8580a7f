"""Roles: what the loop needs of others: a desk keeps the record, a studio makes the runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.supervisor.process import Process
from streams.supervisor.progress import Progress, SpeedMeter
from streams.supervisor.states import BroadcastState, EndReason, Wanted


class Unavailable(Exception):
    """The record (database) cannot be read or written now. Runs go on; try again."""


class SourceRefused(Exception):
    """The source is nothing that can be put on air; the message tells the streamer why."""


class LeaseLost(Exception):
    """Somebody else drives this broadcast now."""


@dataclass(frozen=True)
class Orders:
    """What is wanted of a broadcast, and what is known of its publisher. Seconds."""

    wanted: Wanted
    publisher: str | None
    publisher_gone_for: float
    grace: float
    was_live: bool  # it had segments before


@dataclass
class RunHandle:
    """A run this supervisor watches. Times by the supervisor's clock."""

    run_id: str
    process: Process
    folder: Path
    ingest_name: str
    copies: bool
    began: float
    meter: SpeedMeter = field(default_factory=SpeedMeter)
    progress: Progress | None = None
    asked: EndReason | None = None
    asked_at: float = 0.0


class Desk(Protocol):
    """The record of one broadcast, under our lease. Calls may raise Unavailable or LeaseLost."""

    def orders(self) -> Orders: ...
    def report(self, state: BroadcastState, run: RunHandle | None) -> None: ...
    def run_ended(
        self, run: RunHandle, reason: EndReason, exit_code: int | None, log: str
    ) -> None: ...
    def refuse_copy(self) -> None: ...
    def end(self, reason: EndReason, note: str = "") -> bool:
        """False when what was wanted changed meanwhile: the broadcast goes on."""

    def release(self) -> None: ...
    def still_ours(self, run: RunHandle) -> bool: ...


class Studio(Protocol):
    """Makes runs and looks at their output."""

    def adopt(self) -> RunHandle | None: ...
    def start(self, ingest_name: str) -> RunHandle | None:
        """A new run, or None while the source cannot be described yet. Raises SourceRefused."""

    def segment_age(self, run: RunHandle) -> float | None: ...
    def longest_segment(self, run: RunHandle) -> float: ...
    def source_changed(self, run: RunHandle) -> bool: ...
