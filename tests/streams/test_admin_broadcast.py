"""What the admin tells of a broadcast, and what can be done about it there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from streams.admin import timeline
from streams.models import Broadcast, Event, Host, IngestNode, Run, Stream
from streams.supervisor.states import BroadcastState, EndReason, EventKind, RunState, Wanted
from streams.timeline import note

CountQueries = Callable[[int], AbstractContextManager[None]]
FINDING = {"code": "b_frames", "advice": "Set B-frames to 0.", "severity": "hint"}


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="in-1", findings=[FINDING]
    )


@pytest.fixture
def failed(broadcast: Broadcast) -> Broadcast:
    broadcast.state, broadcast.crashes = BroadcastState.FAILED, 8
    broadcast.gave_up_on, broadcast.end_note = "in-1", "FFmpeg ended 8 times in a row."
    broadcast.save()
    return broadcast


def page_of(client: Client, broadcast: Broadcast) -> str:
    answer = client.get(f"/admin/streams/broadcast/{broadcast.pk}/change/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def retry(client: Client, broadcast: Broadcast) -> int:
    return int(client.post(f"/admin/streams/broadcast/{broadcast.pk}/retry/").status_code)


def kinds() -> list[str]:
    return [event.kind for event in Event.objects.all()]


def test_its_timeline_is_told_newest_first(admin: Client, broadcast: Broadcast) -> None:
    note(broadcast.pk, EventKind.PUBLISHED, "A publisher came.")
    note(broadcast.pk, EventKind.STALLED, "FFmpeg <hangs>.", run_number=3)
    page = page_of(admin, broadcast)
    assert page.index("FFmpeg &lt;hangs&gt;.") < page.index("A publisher came.")


def test_a_long_night_is_cut_short(broadcast: Broadcast) -> None:
    then = timezone.now()
    for minute in range(timeline.MOST_SHOWN + 5):
        note(broadcast.pk, EventKind.PUBLISHED, str(minute), at=then + timedelta(minutes=minute))
    shown = timeline.lines(broadcast)
    assert (len(shown), shown[0].text) == (timeline.MOST_SHOWN, str(timeline.MOST_SHOWN + 4))


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_can_be_shown(broadcast: Broadcast, kind: EventKind) -> None:
    note(broadcast.pk, kind, "Something happened.")
    assert timeline.lines(broadcast)[0].what == kind.value.replace("_", " ")


def test_it_shows_advice_and_why_the_ladder_is_short(admin: Client, broadcast: Broadcast) -> None:
    Broadcast.objects.update(ladder_note="This host has no room for more.")
    page = page_of(admin, broadcast)
    assert FINDING["advice"] in page
    assert "This host has no room for more." in page


def test_an_ended_run_is_explained(admin: Client, broadcast: Broadcast) -> None:
    run = Run.objects.create(
        broadcast=broadcast, number=1, fence=1, host="here", state=RunState.ENDED,
        end_reason=EndReason.ENCODER_CRASHED, exit_code=1, log_tail="Unknown encoder 'libx264'",
    )  # fmt: skip
    sentence = "built without an encoder"
    assert sentence in page_of(admin, broadcast)
    assert sentence in admin.get(f"/admin/streams/run/{run.pk}/change/").content.decode()


def test_what_the_run_costs_is_shown(admin: Client, broadcast: Broadcast) -> None:
    Run.objects.create(
        broadcast=broadcast, number=1, fence=1, host="here", fps=30.0, speed=1.0, cpu=0.825
    )
    assert "30 fps, 1.00x, 0.82 cores" in page_of(admin, broadcast)


def test_a_failed_broadcast_is_tried_again_by_its_owner(
    streamer: Client, failed: Broadcast
) -> None:
    assert "Try again" in page_of(streamer, failed)
    assert retry(streamer, failed) == 302
    failed.refresh_from_db()
    assert (failed.gave_up_on, failed.crashes, failed.end_note) == ("", 0, "")
    assert kinds() == [EventKind.RETRIED]


def test_looking_at_the_address_of_a_retry_changes_nothing(
    admin: Client, failed: Broadcast
) -> None:
    admin.get(f"/admin/streams/broadcast/{failed.pk}/retry/")
    failed.refresh_from_db()
    assert failed.gave_up_on == "in-1"


def test_nobody_elses_broadcast_is_tried_again(streamer: Client, failed: Broadcast) -> None:
    Stream.objects.update(owner=None)
    assert retry(streamer, failed) == 404
    failed.refresh_from_db()
    assert failed.gave_up_on == "in-1"


@pytest.mark.parametrize(
    "change",
    [{"ingest_name": "in-2"}, {"gave_up_on": "", "ingest_name": ""}, {"open_key": None}],
    ids=["another publisher came", "nobody gave up", "it is over"],
)
def test_there_is_nothing_to_try_again(
    admin: Client, failed: Broadcast, change: dict[str, str | None]
) -> None:
    Broadcast.objects.update(**change)
    retry(admin, failed)
    failed.refresh_from_db()
    assert failed.crashes == 8
    assert kinds() == []


def test_a_broadcast_that_goes_on_offers_no_retry(admin: Client, broadcast: Broadcast) -> None:
    assert "Try again" not in page_of(admin, broadcast)


def test_a_stop_is_on_the_timeline_once(admin: Client, broadcast: Broadcast) -> None:
    for _ in range(2):
        admin.post(f"/admin/streams/stream/{broadcast.stream_id}/stop/")
    broadcast.refresh_from_db()
    assert broadcast.wanted == Wanted.OFF
    assert [event.text for event in Event.objects.all()] == ["root stopped the broadcast."]


def test_its_page_leads_to_the_stop_while_it_is_open(admin: Client, broadcast: Broadcast) -> None:
    stop = f"/admin/streams/broadcast/{broadcast.pk}/stop_broadcast/"
    assert stop in page_of(admin, broadcast)
    answer = admin.get(stop)
    assert answer.headers["Location"] == f"/admin/streams/stream/{broadcast.stream_id}/stop/"
    Broadcast.objects.update(open_key=None)
    assert stop not in page_of(admin, broadcast)
    assert admin.get("/admin/streams/broadcast/nonsense/stop_broadcast/").status_code == 403


def add_on_air(number: int) -> None:
    stream = Stream.objects.create(name=f"stream-{number}")
    broadcast = Broadcast.objects.create(
        stream=stream, open_key=stream.pk, state=BroadcastState.FAILED, end_note="It failed."
    )
    Run.objects.create(broadcast=broadcast, number=1, fence=1, host="here", fps=25.0)


@pytest.mark.parametrize("page", ["", "streams/stream/", "streams/broadcast/", "streams/run/"])
def test_more_rows_take_no_more_queries(
    admin: Client, page: str, django_assert_max_num_queries: CountQueries
) -> None:
    add_on_air(1)
    admin.get(f"/admin/{page}")
    with django_assert_max_num_queries(30) as few:
        admin.get(f"/admin/{page}")
    for number in range(2, 8):
        add_on_air(number)
    with django_assert_max_num_queries(len(few)):  # type: ignore[arg-type]
        admin.get(f"/admin/{page}")


def test_more_runs_and_events_take_no_more_queries(
    admin: Client, broadcast: Broadcast, django_assert_max_num_queries: CountQueries
) -> None:
    page_of(admin, broadcast)
    with django_assert_max_num_queries(30) as few:
        page_of(admin, broadcast)
    for number in range(1, 8):
        Run.objects.create(broadcast=broadcast, number=number, fence=1, host="here")
        note(broadcast.pk, EventKind.RUN_STARTED, run_number=number)
    # One more for the inline's rows than for none of them.
    with django_assert_max_num_queries(len(few) + 1):  # type: ignore[arg-type]
        page_of(admin, broadcast)


def test_the_first_page_says_what_failed_and_why(admin: Client) -> None:
    add_on_air(1)
    page = admin.get("/admin/").content.decode()
    assert "failed" in page
    assert "It failed." in page


def test_hosts_are_for_superusers(admin: Client, streamer: Client) -> None:
    Host.objects.create(name="here", cores=4, used=1.25)
    Host.objects.create(name="there", cores=2, seen_at=timezone.now() - timedelta(hours=1))
    page = admin.get("/admin/streams/host/").content.decode()
    assert "1.2 of 4" in page
    assert "away" in page
    assert streamer.get("/admin/streams/host/").status_code == 403


def test_ingest_nodes_are_for_superusers(admin: Client, streamer: Client) -> None:
    IngestNode.objects.create(name="far", control_url="http://192.0.2.1:8191")
    assert streamer.get("/admin/streams/ingestnode/").status_code == 403
    assert "http://192.0.2.1:8191" in admin.get("/admin/streams/ingestnode/").content.decode()
