"""Roles: what the loop needs of others: a desk keeps the record, a studio makes the runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.supervisor.cpu import CpuMeter
from streams.supervisor.ending import explain
from streams.supervisor.process import Process
from streams.supervisor.progress import DropMeter, Progress, SpeedMeter
from streams.supervisor.states import BroadcastState, EndReason, EventKind, Wanted


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
    crashes: int = 0
    gave_up: bool = False
    shed: int = 0
    node: str = ""  # the ingest node where it publishes


@dataclass(frozen=True)
class Ending:
    """How a run ended; `crashes` counts the fast ones in a row up to this one."""

    reason: EndReason
    exit_code: int | None
    log: str
    delay: float  # seconds until the next run may begin
    crashes: int

    @property
    def text(self) -> str:
        return explain(self.reason, self.log, self.exit_code)


@dataclass
class RunHandle:
    """A run this supervisor watches. Times by the supervisor's clock."""

    run_id: str
    process: Process
    folder: Path
    ingest_name: str
    copies: bool
    began: float
    number: int = 1
    sheddable: bool = False
    ladder: str = ""  # its renditions in words
    settled: bool = True  # False: it was made for a source that has yet to come
    meter: SpeedMeter = field(default_factory=SpeedMeter)
    input_meter: SpeedMeter = field(default_factory=SpeedMeter)
    drops: DropMeter = field(default_factory=DropMeter)
    cpu: CpuMeter = field(default_factory=CpuMeter)
    progress: Progress | None = None
    asked: EndReason | None = None
    asked_at: float = 0.0
    ending: Ending | None = None


@dataclass(frozen=True)
class Output:
    """What a run has delivered. `newest_at`: epoch seconds when its newest public segment was
    finished, None before; durations in seconds."""

    segments: int
    newest_at: float | None
    age: float | None
    longest: float
    gone: bool  # its folder is no longer there


@dataclass(frozen=True)
class Input:
    """What the ingest knows of a run's input. `sent`: media seconds the publisher has sent."""

    sent: float
    dropped: int  # frames a run did not take in time
    changed: bool  # it is no longer what the run was planned for


@dataclass(frozen=True)
class Advice:
    """What could be better about the source; `text` is for the streamer."""

    code: str
    text: str
    severity: str


class Desk(Protocol):
    """The record of one broadcast, under our lease. Calls may raise Unavailable or LeaseLost."""

    def orders(self, output: Output | None = None) -> Orders:
        """`output`: of the run that is watched, as it was last seen."""

    def report(
        self, state: BroadcastState, run: RunHandle | None, output: Output | None
    ) -> None: ...
    def run_ended(self, run: RunHandle, ending: Ending) -> None: ...
    def crashed(self, crashes: int) -> None:
        """So many runs in a row came to nothing; of the last not even a process came."""

    def plan(self, *, refuse_copy: bool, shed: int) -> None:
        """Remember what the next runs have to go without."""

    def advise(self, advice: Sequence[Advice], run_number: int) -> None:
        """Note what was found; what is new is told. Never fails: it waits for the record."""

    def give_up(self, note: str) -> None: ...
    def end(self, reason: EndReason, note: str = "") -> bool:
        """False when what was wanted changed meanwhile: the broadcast goes on."""

    def tell(self, kind: EventKind, text: str = "", run_number: int | None = None) -> None:
        """A line for the timeline. Never fails: it waits for the record."""

    def release(self) -> None:
        """Give the lease back."""

    def still_ours(self, run: RunHandle) -> bool: ...


class Studio(Protocol):
    """Makes runs and looks at what goes into and comes out of them."""

    def adopt(self) -> RunHandle | None: ...
    def start(self, ingest_name: str, node: str) -> RunHandle | None:
        """A new run, or None while the source cannot be described yet. Raises SourceRefused."""

    def output(self, run: RunHandle) -> Output: ...
    def input(self, run: RunHandle) -> Input | None:
        """None while the ingest cannot be asked."""

    def advice(self, run: RunHandle | None) -> Sequence[Advice] | None:
        """All there is about the source, once it was looked at anew; None otherwise."""

    def has_room(self, run: RunHandle) -> bool:
        """Whether this host could carry one more rendition of it."""
