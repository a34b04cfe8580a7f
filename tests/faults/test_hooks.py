"""Callbacks of the ingest that come late, twice, in the wrong order, or not at all."""

import time
from urllib.parse import urlencode

import pytest

from tests.acceptance.stack import until
from tests.answer import Answer, fetch
from tests.faults.channel import Channel
from tests.faults.conftest import GRACE, Stage
from tests.faults.ledger import Entry


def hook(stage: Stage, what: str, name: str, client: str) -> Answer:
    """One request as nginx posts it."""
    form = {
        "app": "live",
        "flashver": "FMLE/3.0 (compatible; Lavf59.27",
        "swfurl": "",
        "tcurl": f"rtmp://127.0.0.1:{stage.stack.rtmp}/live",
        "pageurl": "",
        "addr": "127.0.0.1",
        "clientid": client,
        "call": what,
        "name": name,
        "type": "live",
    }
    return fetch(
        stage.stack.backend, f"/rtmp/{what}", "POST", urlencode(form),
        Content_Type="application/x-www-form-urlencoded",
        X_Ingest_Secret=stage.stack.setting("LIVESTREAM_INGEST_SECRET"),
        X_Ingest_Node="local",
    )  # fmt: skip


@pytest.mark.slow_fault
def test_the_done_of_an_old_publisher_after_the_publish_of_a_new_one_changes_nothing(
    stage: Stage,
) -> None:
    channel = stage.channel(grace_seconds=30).begin()
    before, old = channel.encoder(), channel.row["ingest_client"]
    channel.publisher.stop()
    until(lambda: channel.row["publisher_gone_at"], 5, "the first one left")
    channel.publisher.start()
    channel.await_new_run(before)
    encoder = channel.encoder()
    with channel.fault("publish_done of the old after publish of the new") as fault:
        assert hook(stage, "publish_done", channel.name, old).status == 204
        channel.await_segments(2)
        fault.over()
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.row["publisher_gone_at"] is None
    assert channel.encoder() == encoder


@pytest.mark.slow_fault
def test_a_forged_or_repeated_done_costs_the_viewer_nothing(stage: Stage, channel: Channel) -> None:
    """One that names the live publisher itself: /stat knows better."""
    encoder = channel.encoder()
    with channel.fault("publish_done for a publisher that is still there") as fault:
        assert hook(stage, "publish_done", channel.name, channel.row["ingest_client"]).status == 204
        until(lambda: channel.row["publisher_gone_at"] is None, 10, "it is known to be there")
        fault.over()
        channel.await_segments(2)
    assert fault.losses is not None
    assert (fault.losses.stalled, fault.losses.lost) == (0.0, 0.0)
    assert channel.encoder() == encoder


def test_a_done_before_its_publish_leaves_no_broadcast_open(stage: Stage) -> None:
    """nginx sends them apart: a publisher that comes and goes at once is gone before it came."""
    name, began = stage.name(), time.monotonic()
    assert hook(stage, "publish_done", name, "999999").status == 204
    assert hook(stage, "publish", name, "999999").status == 302
    until(lambda: stage.record.open_broadcast(name) is None, 5 + GRACE + 12, "it is closed again")
    took = time.monotonic() - began
    stage.ledger.add(Entry("publish_done before its publish: closed again", None, None, took))
    # Its FFmpeg was there before it, as always, and waited in vain.
    runs = stage.record.runs(name)
    assert [(run["state"], run["segments"]) for run in runs] == [("ended", 0)] * len(runs)


def test_two_publishes_in_the_same_moment_open_one_broadcast(stage: Stage) -> None:
    name = stage.name()
    answers = sorted(hook(stage, "publish", name, str(client)).status for client in (71, 72))
    assert answers == [302, 403]
    assert len(stage.record.broadcasts(name)) == 1
