"""Publishers drop, return, come twice, or say nothing."""

import os
import signal
import time
from contextlib import ExitStack

import pytest

from tests.acceptance.playlist import media, variants
from tests.acceptance.stack import until
from tests.faults.channel import SEGMENT, Channel
from tests.faults.conftest import GRACE, Stage
from tests.faults.ledger import Entry
from tests.faults.workers import frozen


def test_a_publisher_that_returns_in_time_continues_the_same_playlist(stage: Stage) -> None:
    channel = stage.channel(grace_seconds=30).begin()
    before, broadcast = channel.encoder(), channel.row["_id"]
    with channel.fault("publisher drops and returns at once") as fault:
        os.kill(channel.publisher.pid, signal.SIGKILL)
        channel.publisher.ended(5)
        channel.publisher.start()
        channel.await_new_run(before)
        fault.over()
    assert fault.losses is not None
    assert fault.losses.discontinuities == 1
    assert channel.row["_id"] == broadcast
    assert not channel.playlist().ended


def test_a_duplicate_publish_that_leaves_changes_nothing(stage: Stage, channel: Channel) -> None:
    """nginx posts publish_done for the one it refused, under the same name."""
    encoder, ingest = channel.encoder(), channel.row["ingest_name"]
    with channel.fault("a second publisher of the same name comes and leaves") as fault:
        assert stage.publisher(channel.name).start().ended(15) != 0
        channel.await_segments(3)
        fault.over()
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.publisher.publishing
    assert (channel.encoder(), channel.row["ingest_name"]) == (encoder, ingest)


@pytest.mark.slow_fault
def test_with_takeover_the_second_publisher_wins_at_once(stage: Stage) -> None:
    channel = stage.channel(takeover=1).begin()
    before, first, broadcast = channel.encoder(), channel.publisher, channel.row["_id"]
    with channel.fault("takeover by a second publisher") as fault:
        channel.publisher = stage.publisher(channel.name).start()
        first.ended(5)
        channel.await_new_run(before)
        fault.over()
    assert channel.publisher.publishing
    assert channel.row["_id"] == broadcast
    assert fault.losses is not None
    assert fault.losses.discontinuities == 1


@pytest.mark.slow_fault
@pytest.mark.parametrize("takeover", [0, 1])
def test_a_restarted_encoder_is_let_in_while_nginx_still_holds_the_dead_one(
    stage: Stage, takeover: int
) -> None:
    """Whether or not others may take over: who sends nothing is nobody."""
    channel = stage.channel(takeover=takeover).begin()
    before, dead, broadcast = channel.encoder(), channel.publisher, channel.row["_id"]
    word = "with" if takeover else "without"
    with channel.fault(f"a dead publisher's encoder restarts, {word} takeover") as fault:
        os.kill(dead.pid, signal.SIGSTOP)
        died = time.monotonic()
        channel.until(lambda: time.monotonic() - died > 1, 2, "what it sent last has come")
        channel.publisher = stage.publisher(channel.name).start()
        channel.await_new_run(before)
        # nginx itself lets go of a silent one after ten seconds.
        assert fault.over() < 9
        os.kill(dead.pid, signal.SIGKILL)
    assert channel.publisher.publishing
    assert channel.row["_id"] == broadcast


@pytest.mark.slow_fault
def test_of_two_publishers_in_the_same_moment_one_is_on_air(stage: Stage) -> None:
    name = stage.name()
    both = [stage.publisher(name), stage.publisher(name)]
    for publisher in both:
        publisher.start()
    channel = stage.on(name, both[0]).await_air()
    until(lambda: sum(p.publishing for p in both) == 1, 15, "one was refused")
    assert len(stage.record.broadcasts(name)) == 1
    channel.is_sound()


@pytest.mark.slow_fault
def test_a_publisher_that_stays_away_ends_the_broadcast_after_the_grace(fresh: Channel) -> None:
    channel = fresh
    channel.publisher.stop()
    left = time.monotonic()
    until(lambda: channel.playlist().ended, GRACE + 15, "EXT-X-ENDLIST")
    took = time.monotonic() - left
    assert took > GRACE - 1
    channel.note(Entry(f"publisher gone for good ({GRACE} s of grace)", None, None, took))
    answer = channel.stack.get(f"/hls/{channel.name}")
    assert (answer.status, answer.json["error"]) == (404, "offline")
    channel.await_end()


@pytest.mark.slow_fault
def test_a_publisher_frozen_for_longer_than_nginx_waits_comes_back_to_the_same_broadcast(
    stage: Stage,
) -> None:
    channel = stage.channel(grace_seconds=30).begin()
    before, broadcast = channel.encoder(), channel.row["_id"]
    with channel.fault("publisher frozen until nginx drops it, then back") as fault:
        os.kill(channel.publisher.pid, signal.SIGSTOP)
        until(lambda: channel.row["publisher_gone_at"], 25, "it is missed")
        os.kill(channel.publisher.pid, signal.SIGKILL)
        channel.publisher.ended(5)
        channel.publisher.start()
        channel.await_new_run(before)
        fault.over()
    assert channel.row["_id"] == broadcast


@pytest.mark.slow_fault
def test_a_broadcast_stopped_by_hand_takes_its_publisher_down(fresh: Channel) -> None:
    channel = fresh
    channel.record.change(
        "UPDATE streams_broadcast SET wanted = 'off' WHERE _id = ?", channel.row["_id"]
    )
    stopped = time.monotonic()
    channel.publisher.ended(15)
    channel.await_end()
    channel.note(Entry("broadcast stopped by hand", None, None, time.monotonic() - stopped))
    answer = channel.stack.get(f"/hls/{channel.name}")
    assert (answer.status, answer.json["error"]) == (404, "offline")


@pytest.mark.slow_fault
def test_an_ingest_that_dies_tells_nobody_and_the_publisher_comes_back(stage: Stage) -> None:
    """nginx posts no publish_done for the publishers it takes down with it."""
    channel = stage.channel(grace_seconds=30).begin()
    before, broadcast = channel.encoder(), channel.row["_id"]
    with channel.fault("ingest (nginx) killed (kill -9) and restarted") as fault:
        kill_ingest(channel)
        channel.publisher.ended(15)
        until(channel.is_back, 30, "the publisher is back")
        channel.await_new_run(before)
        fault.over()
        assert fault.over() < 20 + 2 * SEGMENT
    assert channel.row["_id"] == broadcast


@pytest.mark.slow_fault
def test_an_ingest_that_dies_with_a_publisher_that_stays_away_ends_the_broadcast(
    fresh: Channel,
) -> None:
    channel = fresh
    path = channel.path
    kill_ingest(channel)
    killed = time.monotonic()
    until(lambda: media(channel.stack, path).ended, GRACE + 30, "EXT-X-ENDLIST")
    took = time.monotonic() - killed
    channel.note(Entry("ingest killed, publisher stays away: the end", None, None, took))
    channel.await_end()
    assert variants(channel.stack, channel.name) == []


@pytest.mark.slow_fault
def test_an_ingest_whose_worker_alone_dies_is_noticed(stage: Stage) -> None:
    """Its master starts another one, which knows of nobody."""
    channel = stage.channel(grace_seconds=30).begin()
    before = channel.encoder()
    with channel.fault("ingest's worker process killed (kill -9)") as fault:
        for pid in channel.stack.children(channel.stack.pids()["ingest"]):
            os.kill(pid, signal.SIGKILL)
        channel.publisher.ended(15)
        until(channel.is_back, 30, "the publisher is back")
        channel.await_new_run(before)
        fault.over()
    assert fault.losses is not None
    assert fault.losses.discontinuities == 1


@pytest.mark.slow_fault
def test_an_ingest_that_stands_still_for_a_moment_ends_nothing(stage: Stage) -> None:
    """Neither /stat nor media come out of it; the publisher waits."""
    channel = stage.channel(grace_seconds=30).begin()
    broadcast = channel.row["_id"]
    with channel.fault("ingest frozen (SIGSTOP) for 8 s") as fault, ExitStack() as still:
        for pid in channel.stack.children(channel.stack.pids()["ingest"]):
            still.enter_context(frozen(pid))
        thawed_at = time.monotonic() + 8
        until(lambda: time.monotonic() > thawed_at, 9, "it has stood still")
        still.close()
        goal, began = channel.newest_or(0) + 2, time.monotonic()
        until(lambda: channel.newest_or(0) >= goal, 30, "the playlist goes on")
        fault.recovered = time.monotonic() - began
    assert channel.publisher.publishing
    assert channel.row["_id"] == broadcast


def kill_ingest(channel: Channel) -> None:
    """Its master and its worker; a worker alone would hold the port."""
    master = channel.stack.pids()["ingest"]
    for pid in (master, *channel.stack.children(master)):
        os.kill(pid, signal.SIGKILL)
    until(lambda: channel.stack.running().get("ingest", master) != master, 30, "a new ingest")
