"""The policy is one function; this is its table of cases."""

from dataclasses import replace

import pytest

from streams.supervisor.policy import (
    Collect,
    End,
    Facts,
    GiveUp,
    Kill,
    RunFacts,
    Start,
    Stop,
    Wait,
    decide,
    state_of,
)
from streams.supervisor.states import BroadcastState, EndReason, Wanted

HEALTHY = RunFacts(
    age=100.0,
    exited=False,
    ingest_name="stream-1",
    progress_age=0.3,
    written=99.0,
    segment_age=1.0,
    copies=True,
    longest_segment=2.0,
)
ON_AIR = Facts(
    wanted=Wanted.ON, publisher="stream-1", publisher_gone_for=0.0, grace=30.0, run=HEALTHY
)
IDLE = replace(ON_AIR, run=None)
GONE = {"publisher": None}


def run(**changes: object) -> Facts:
    return replace(ON_AIR, run=replace(HEALTHY, **changes))  # type: ignore[arg-type]


CASES = [
    # without a run
    ("a publisher and no run", IDLE, Start()),
    ("back-off", replace(IDLE, resume_in=0.4), Wait()),
    ("no longer wanted", replace(IDLE, wanted=Wanted.OFF), End(EndReason.REQUESTED)),
    ("gone, within grace", replace(IDLE, **GONE, publisher_gone_for=29.9), Wait()),
    (
        "gone for the whole grace",
        replace(IDLE, **GONE, publisher_gone_for=30.0),
        End(EndReason.PUBLISHER_GONE),
    ),
    ("gone, but back-off runs", replace(IDLE, **GONE, resume_in=9.0), Wait()),
    ("it crashed too often", replace(IDLE, crashes=8), GiveUp()),
    ("it crashed often", replace(IDLE, crashes=7), Start()),
    ("given up on", replace(IDLE, crashes=8, gave_up=True), Wait()),
    ("given up on, and not wanted", replace(IDLE, gave_up=True, wanted=Wanted.OFF),
     End(EndReason.REQUESTED)),
    ("given up on, and the publisher left for good",
     replace(IDLE, **GONE, gave_up=True, publisher_gone_for=30.0), End(EndReason.PUBLISHER_GONE)),
    # with a run
    ("all is well", ON_AIR, Wait()),
    ("it exited", run(exited=True), Collect()),
    ("it exited while being stopped", run(exited=True, stopping_for=9.0), Collect()),
    ("no longer wanted", replace(ON_AIR, wanted=Wanted.OFF), Stop(EndReason.REQUESTED)),
    ("asked to stop, has time", run(stopping_for=4.9), Wait()),
    ("asked to stop, did not", run(stopping_for=5.0), Kill()),
    ("asked to stop, waits for a lost ingest", run(stopping_for=1.0, progress_age=2.5), Kill()),
    ("asked to stop, its ingest was just lost", run(stopping_for=1.0, progress_age=2.4), Wait()),
    (
        "asked to stop, is slow with what comes",
        run(stopping_for=4.9, progress_age=2.5, input_age=0.5),
        Wait(),
    ),
    ("publisher gone, end of file near", replace(ON_AIR, **GONE, publisher_gone_for=1.0), Wait()),
    (
        "publisher gone, no end of file",
        replace(ON_AIR, **GONE, publisher_gone_for=5.0),
        Stop(EndReason.PUBLISHER_GONE),
    ),
    ("another publisher took over", replace(ON_AIR, publisher="stream-2"),
     Stop(EndReason.PUBLISHER_GONE)),
    ("neither progress nor segments", run(progress_age=10.0, segment_age=10.0),
     Stop(EndReason.STALLED)),
    ("silent while its input flows", run(progress_age=6.0, segment_age=6.0, input_age=0.5),
     Stop(EndReason.STALLED)),
    ("silent while its input flows, in the middle of a long segment",
     run(progress_age=6.0, segment_age=6.0, input_age=0.5, longest_segment=4.0), Wait()),
    ("silent as its input is", run(progress_age=9.0, segment_age=9.0, input_age=9.0), Wait()),
    ("yet to begin while its input flows",
     run(progress_age=9.0, segment_age=None, age=9.0, written=0.0, input_age=0.5), Wait()),
    ("it never began", run(progress_age=10.0, segment_age=None, age=10.0, written=0.0),
     Stop(EndReason.STALLED)),
    ("no progress, but young segments", run(progress_age=10.0, segment_age=3.0), Wait()),
    ("progress, but old segments", run(progress_age=0.5, segment_age=20.0), Wait()),
    ("progress, but no segment for long", run(progress_age=0.5, segment_age=30.0),
     Stop(EndReason.STALLED)),
    ("progress, but never a segment", run(segment_age=None, age=30.0, copies=False),
     Stop(EndReason.STALLED)),
    ("its folder is gone", run(folder_gone=True), Stop(EndReason.STALLED)),
    ("a publisher let in sends nothing", run(
        age=11.0, progress_age=11.0, written=0.0, segment_age=None, settled=False),
     Stop(EndReason.INPUT_NOT_READY)),
    ("slower than its input", run(speed=0.95, input_speed=1.0, sheddable=True),
     Stop(EndReason.SLOW, shed=1)),
    ("fast enough", run(speed=0.97, input_speed=1.0, sheddable=True), Wait()),
    ("as slow as its input", run(speed=0.8, input_speed=0.81, sheddable=True), Wait()),
    ("slow, the input unknown", run(speed=0.8, sheddable=True), Wait()),
    ("slow, nothing to go without", run(speed=0.8, input_speed=1.0), Wait()),
    ("frames dropped for it", run(speed=1.0, dropping_for=20.0, sheddable=True),
     Stop(EndReason.SLOW, shed=1)),
    ("frames dropped for a moment", run(dropping_for=19.0, sheddable=True), Wait()),
    ("slow, but it has just begun", run(age=29.0, speed=0.9, input_speed=1.0, sheddable=True),
     Wait()),
    ("ten quiet minutes after shedding", replace(run(age=600.0), shed=1),
     Stop(EndReason.REPLANNED, shed=-1)),
    ("not yet ten minutes", replace(run(age=599.0), shed=1), Wait()),
    ("ten quiet minutes, but no room", replace(run(age=600.0), shed=1, room=False), Wait()),
    ("ten minutes, nothing was shed", run(age=600.0), Wait()),
    ("key frames 8.3 s apart", run(longest_segment=8.3),
     Stop(EndReason.REPLANNED, refuse_copy=True)),
    ("5 s of media without a key frame to cut at", run(segment_age=None, written=5.0, age=6.0),
     Stop(EndReason.REPLANNED, refuse_copy=True)),
    ("long segments, all encoded", run(longest_segment=8.3, copies=False), Wait()),
    ("the source changed its size", run(source_changed=True), Stop(EndReason.REPLANNED)),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "action"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_it_decides(facts: Facts, action: object) -> None:
    assert decide(facts) == action


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (ON_AIR, BroadcastState.LIVE),
        (run(segment_age=None), BroadcastState.STARTING),
        (replace(run(segment_age=None), was_live=True), BroadcastState.RECONNECTING),
        (run(segment_age=12.0), BroadcastState.STARTING),
        (IDLE, BroadcastState.STARTING),
        (replace(IDLE, gave_up=True, was_live=True), BroadcastState.FAILED),
        (replace(IDLE, was_live=True), BroadcastState.RECONNECTING),
    ],
)
def test_it_reports_live_only_while_segments_are_young(facts: Facts, state: str) -> None:
    assert state_of(facts) == state
