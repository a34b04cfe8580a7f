"""The loop replays histories against fakes: a desk, a studio, a clock. The processes are real."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from streams.supervisor.bell import Bell
from streams.supervisor.loop import Supervisor
from streams.supervisor.process import Process
from streams.supervisor.roles import (
    Advice,
    Ending,
    Input,
    LeaseLost,
    Orders,
    Output,
    RunHandle,
    SourceRefused,
    Unavailable,
)
from streams.supervisor.states import BroadcastState, EndReason, EventKind, Wanted

ON = Orders(wanted=Wanted.ON, publisher="in-1", publisher_gone_for=0.0, grace=30.0, was_live=False)
OFF = Orders(wanted=Wanted.OFF, publisher="in-1", publisher_gone_for=0.0, grace=30.0, was_live=True)


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeDesk:
    order: Orders | Exception = ON
    ours: bool = True
    lost: bool = False
    log: list[object] = field(default_factory=list)
    told: list[EventKind] = field(default_factory=list)

    def orders(self, output: Output | None = None) -> Orders:
        if isinstance(self.order, Exception):
            raise self.order
        return self.order

    def report(self, state: BroadcastState, run: RunHandle | None, output: Output | None) -> None:
        self.log.append(state)

    def run_ended(self, run: RunHandle, ending: Ending) -> None:
        self.log.append((ending.reason, ending.exit_code, ending.log))

    def crashed(self, crashes: int) -> None:
        self.log.append(("crashed", crashes))

    def plan(self, *, refuse_copy: bool, shed: int) -> None:
        self.log.append(("plan", refuse_copy, shed))

    def advise(self, advice: Sequence[Advice], run_number: int) -> None:
        self.log.append([found.code for found in advice])

    def give_up(self, note: str) -> None:
        self.log.append(("give up", note))

    def tell(self, kind: EventKind, text: str = "", run_number: int | None = None) -> None:
        self.told.append(kind)

    def end(self, reason: EndReason, note: str = "") -> bool:
        self.log.append(("end", reason, note) if note else ("end", reason))
        return True

    def release(self) -> None:
        self.log.append("release")
        if self.lost:
            raise LeaseLost

    def still_ours(self, run: RunHandle) -> bool:
        return self.ours


@dataclass
class FakeStudio:
    """Its runs are shells that write one log line and sleep."""

    root: Path
    clock: FakeClock
    command: str = "echo up; exec sleep 60"
    refusal: str = ""
    error: OSError | None = None
    age: float | None = None
    longest: float = 2.0
    source: Input | None = None
    found: list[Advice] | None = None
    adopted: RunHandle | None = None
    runs: list[RunHandle] = field(default_factory=list)

    def adopt(self) -> RunHandle | None:
        return self.adopted

    def start(self, ingest_name: str, node: str) -> RunHandle | None:
        if self.refusal:
            raise SourceRefused(self.refusal)
        if self.error is not None:
            raise self.error
        run_id = uuid4().hex
        folder = self.root / run_id
        folder.mkdir()
        process = Process.spawn(
            ["sh", "-c", self.command], run_id=run_id, root=self.root, log=folder / "ffmpeg.log"
        )
        run = RunHandle(run_id, process, folder, ingest_name, True, self.clock.now)
        self.runs.append(run)
        return run

    def output(self, run: RunHandle) -> Output:
        return Output(0 if self.age is None else 5, None, self.age, self.longest, gone=False)

    def input(self, run: RunHandle) -> Input | None:
        return self.source

    def advice(self, run: RunHandle | None) -> list[Advice] | None:
        found, self.found = self.found, None
        return found

    def has_room(self, run: RunHandle) -> bool:
        return True


@dataclass
class World:
    clock: FakeClock
    desk: FakeDesk
    studio: FakeStudio
    supervisor: Supervisor

    @property
    def run(self) -> RunHandle:
        return self.studio.runs[-1]

    def after(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self.supervisor.tick()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = FakeClock()
    desk, studio = FakeDesk(), FakeStudio(tmp_path, clock)
    yield World(clock, desk, studio, Supervisor(desk, studio, clock))
    for run in studio.runs:
        while not run.process.exited:  # its supervisor may have closed what signals it
            os.kill(run.process.pid, signal.SIGKILL)


def test_a_killed_run_gets_a_successor_within_a_second(world: World) -> None:
    world.after(0.5)
    first = world.run
    wait_for_log(first)
    first.process.kill()
    assert first.process.wait(5)
    world.after(0.5)  # collects
    assert world.desk.log[-2] == (EndReason.KILLED, -9, "up")
    world.after(0.5)
    assert len(world.studio.runs) == 2


def test_a_run_without_progress_is_stopped_and_then_killed(world: World, tmp_path: Path) -> None:
    world.studio.command = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    world.after(0.5)
    wait_for_log(world.run)
    world.after(10.0)
    assert world.run.asked is EndReason.STALLED
    assert not world.run.process.wait(0.1)
    world.after(5.0)
    assert world.run.process.wait(5)
    world.after(0.5)
    assert (EndReason.STALLED, -9, "up") in world.desk.log


def wait_for_log(run: RunHandle) -> None:
    for _ in range(500):
        if (run.folder / "ffmpeg.log").read_text():
            return
        time.sleep(0.01)
    raise AssertionError("the run never wrote its line")


def test_key_frames_too_far_apart_end_the_copy(world: World) -> None:
    world.after(0.5)
    world.studio.age, world.studio.longest = 1.0, 8.3
    world.after(0.5)
    assert ("plan", True, 0) in world.desk.log
    assert world.run.process.wait(5)
    world.after(0.5)
    world.after(0.5)
    assert len(world.studio.runs) == 2


def test_when_the_record_is_away_the_run_goes_on(world: World) -> None:
    world.after(0.5)
    world.desk.order = Unavailable("no database")
    for _ in range(10):
        assert world.after(0.5)
    assert not world.run.process.exited
    assert len(world.studio.runs) == 1


def test_it_ends_when_nobody_wants_it(world: World) -> None:
    world.after(0.5)
    world.desk.order = OFF
    world.after(0.5)
    assert world.run.process.wait(5)
    assert world.after(0.5)
    assert not world.after(0.5)
    assert world.desk.log[-1] == ("end", EndReason.REQUESTED)


def test_a_source_that_cannot_be_put_on_air_ends_the_broadcast(world: World) -> None:
    world.studio.refusal = "The video is hevc; set the encoder to H.264."
    assert not world.after(0.5)
    assert world.desk.log == [("end", EndReason.INPUT_UNREADABLE, world.studio.refusal)]


def test_a_full_disk_is_tried_again_with_back_off(world: World) -> None:
    world.studio.error = OSError("No space left on device")
    assert world.after(0.5)
    world.studio.error = None
    assert world.after(0.0)
    assert world.studio.runs == []
    assert world.after(0.5)
    assert len(world.studio.runs) == 1


def test_a_run_that_cannot_be_started_counts_as_a_crash_and_is_told_of_once(world: World) -> None:
    world.studio.error = FileNotFoundError(2, "No such file or directory", "ffmpeg")
    for _ in range(3):
        world.after(30.0)
    assert [e for e in world.desk.log if isinstance(e, tuple)] == [
        ("crashed", n) for n in (1, 2, 3)
    ]
    assert world.desk.told == [EventKind.RUN_ENDED]


def test_a_stopping_worker_leaves_ffmpeg_running_and_gives_the_lease_back(world: World) -> None:
    world.after(0.5)
    world.studio.adopted = world.run
    bell = Bell()
    bell.stop()
    world.supervisor.drive(bell)
    assert world.desk.log[-1] == "release"
    assert not world.run.process.exited


@pytest.mark.parametrize("ours", [True, False])
def test_one_that_stops_after_its_lease_was_lost_leaves_no_ffmpeg_of_its_own(
    world: World, ours: bool
) -> None:
    """Frozen for longer than its lease, asked to stop and continued: another host goes on."""
    world.after(0.5)
    world.studio.adopted = world.run
    world.desk.lost, world.desk.ours = True, ours
    bell = Bell()
    bell.stop()
    world.supervisor.drive(bell)
    assert world.run.process.exited is ours


def test_a_crash_loop_ends_in_giving_up_and_another_try_forgets_it(world: World) -> None:
    world.studio.command = "echo 'Conversion failed!'; exit 1"
    for _ in range(8):
        world.after(60.0)
        assert world.run.process.wait(5)
        world.after(0.0)
    world.after(60.0)
    assert len(world.studio.runs) == 8
    kind, note = world.desk.log[-2]  # type: ignore[misc]
    assert kind == "give up"
    assert "8 times" in note
    world.desk.order = replace(ON, gave_up=True, crashes=8)
    world.after(60.0)
    assert world.desk.log[-1] == BroadcastState.FAILED
    assert len(world.studio.runs) == 8
    world.desk.order = ON
    world.after(1.0)
    assert len(world.studio.runs) == 9


def test_another_publisher_is_another_try_at_once(world: World) -> None:
    world.studio.command = "exit 1"
    world.after(0.5)
    assert world.run.process.wait(5)
    world.after(0.0)
    world.desk.order = replace(ON, publisher="in-2")
    world.after(0.0)
    assert [run.ingest_name for run in world.studio.runs] == ["in-1", "in-2"]


def test_the_next_worker_counts_the_crashes_on(world: World) -> None:
    world.desk.order = replace(ON, crashes=8)
    world.after(0.5)
    assert world.studio.runs == []
    assert world.desk.log[0][0] == "give up"  # type: ignore[index]


def test_a_record_that_is_away_when_a_run_ends_hears_of_it_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.after(0.5)
    wait_for_log(world.run)
    world.run.process.kill()
    assert world.run.process.wait(5)
    heard, failures = world.desk.run_ended, [Unavailable("no database")] * 3

    def run_ended(run: RunHandle, ending: Ending) -> None:
        if failures:
            raise failures.pop()
        heard(run, ending)

    monkeypatch.setattr(world.desk, "run_ended", run_ended)
    for _ in range(4):
        assert world.after(1.0)
    assert world.desk.log.count((EndReason.KILLED, -9, "up")) == 1
    world.after(0.5)
    assert len(world.studio.runs) == 2


def test_slower_than_its_input_for_twenty_seconds_sheds_a_rendition(world: World) -> None:
    world.after(0.5)
    slow = world.run
    slow.sheddable, world.studio.age = True, 1.0
    for second in range(35):
        progress = slow.folder / "progress.txt"
        progress.write_text(f"out_time_us={10_000_000 + second * 900_000}\nprogress=continue\n")
        world.studio.source = Input(sent=100.0 + second, dropped=0, changed=False)
        world.after(1.0)
    assert ("plan", False, 1) in world.desk.log
    assert EventKind.SHED in world.desk.told
    assert slow.asked is EndReason.SLOW


def test_a_worker_that_lost_its_lease_ends_its_own_run(world: World) -> None:
    world.after(0.5)
    world.studio.adopted = world.run
    world.desk.order = LeaseLost()
    world.supervisor.drive(Bell())
    assert world.run.process.exited


def test_a_worker_that_lost_its_lease_leaves_an_adopted_run_alone(world: World) -> None:
    world.after(0.5)
    world.studio.adopted = world.run
    world.desk.order, world.desk.ours = LeaseLost(), False
    world.supervisor.drive(Bell())
    assert not world.run.process.exited


def test_what_is_found_about_the_source_reaches_the_record(world: World) -> None:
    world.after(0.5)
    world.studio.found = [Advice("b_frames", "They add latency.", "hint")]
    world.after(0.5)
    world.after(0.5)
    assert world.desk.log.count(["b_frames"]) == 1
