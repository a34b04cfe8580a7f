"""The states of streams, and the JSON that tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from streams import api, presence
from streams.api import reason_of, state_of, stream_state
from streams.buckets import Buckets, Rate
from streams.models import Broadcast, Stream, Visibility
from streams.supervisor.states import BroadcastState

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def put_on_air(
    stream: Stream, state: str = BroadcastState.LIVE, started_at: datetime | None = None
) -> Broadcast:
    now = timezone.now()
    return Broadcast.objects.create(
        stream=stream,
        open_key=stream.pk,
        state=state,
        started_at=started_at or now,
        last_segment_at=now,
        renditions=[{"name": "720p", "video": "copy", "audio": "copy"}],
    )


@pytest.mark.parametrize(
    ("state", "is_open", "segment_age", "told"),
    [
        ("starting", True, None, "starting"),
        ("live", True, 0, "live"),
        ("live", True, 15, "live"),
        ("live", True, 16, "reconnecting"),
        ("live", True, None, "live"),
        ("reconnecting", True, 0, "reconnecting"),
        ("ended", True, 0, "offline"),
        ("failed", True, 0, "offline"),
        ("live", False, 0, "offline"),
    ],
)
def test_it_calls_a_stream_live_only_while_segments_arrive(
    state: str, is_open: bool, segment_age: int | None, told: str
) -> None:
    newest = None if segment_age is None else NOON - timedelta(seconds=segment_age)
    open_key = uuid4() if is_open else None
    broadcast = Broadcast(open_key=open_key, state=state, last_segment_at=newest)
    assert state_of(broadcast, NOON) == told


def test_it_calls_a_stream_without_a_broadcast_offline() -> None:
    assert state_of(None, NOON) == "offline"


@pytest.mark.parametrize(
    ("state", "ended_ago", "was_live", "told"),
    [
        ("ended", timedelta(minutes=59), True, "ended"),
        ("ended", timedelta(hours=1), True, None),
        ("ended", timedelta(minutes=1), False, None),
        ("failed", timedelta(minutes=1), True, "ended"),
        ("failed", None, True, "failed"),
        ("failed", None, False, "failed"),
        ("live", None, True, None),
        ("starting", None, False, None),
    ],
)
def test_it_says_for_a_while_why_a_stream_is_offline(
    state: str, ended_ago: timedelta | None, was_live: bool, told: str | None
) -> None:
    broadcast = Broadcast(
        open_key=uuid4() if ended_ago is None else None,
        state=state,
        ended_at=NOON - ended_ago if ended_ago is not None else None,
        last_segment_at=NOON if was_live else None,
    )
    assert reason_of(broadcast, NOON) == told


def test_the_newest_broadcast_is_the_one_that_ended_and_an_open_one_counts_more(
    stream: Stream,
) -> None:
    now = timezone.now()
    over = put_on_air(stream, BroadcastState.ENDED)
    Broadcast.objects.filter(pk=over.pk).update(open_key=None, ended_at=now)
    state = stream_state(stream)
    assert (state["state"], state["reason"], state["started_at"]) == ("offline", "ended", None)
    put_on_air(stream, BroadcastState.STARTING, started_at=now - timedelta(hours=1))
    assert (stream_state(stream)["state"], stream_state(stream)["reason"]) == ("starting", None)


def test_it_tells_what_a_live_stream_does(stream: Stream) -> None:
    put_on_air(stream, started_at=NOON)
    presence.seen(stream.pk, "bob", "charlie")
    assert stream_state(stream) == {
        "name": "stream",
        "title": "Alice's garden",
        "description": "",
        "state": "live",
        "reason": None,
        "started_at": "2026-05-01T12:00:00+00:00",
        "viewers": 2,
        "hls": "/hls/stream",
        "thumbnail": "/hls/stream/thumb.jpg",
        "tracks": ["video", "audio"],
    }


def test_sound_alone_has_no_thumbnail_and_says_so(stream: Stream) -> None:
    put_on_air(stream)
    Broadcast.objects.update(renditions=[{"name": "audio", "video": None, "audio": "copy"}])
    state = stream_state(stream)
    assert (state["tracks"], state["thumbnail"]) == (["audio"], None)


def test_an_offline_stream_has_neither_start_nor_thumbnail(stream: Stream) -> None:
    state = stream_state(stream)
    assert (state["state"], state["started_at"], state["thumbnail"]) == ("offline", None, None)


def test_a_disabled_stream_is_offline(stream: Stream) -> None:
    put_on_air(stream)
    stream.enabled = False
    assert stream_state(stream)["state"] == "offline"


def test_it_gives_the_public_address_of_the_playlist(
    stream: Stream, settings: LazySettings
) -> None:
    settings.PUBLIC_HLS_URL = "https://media.example.org/hls"
    assert stream_state(stream)["hls"] == "https://media.example.org/hls/stream"


def test_it_lists_public_streams_on_air_the_newest_first(stream: Stream, client: Client) -> None:
    names = ("older", "unlisted", "disabled", "over")
    older, unlisted, disabled, over = (Stream.objects.create(name=name) for name in names)
    put_on_air(stream)
    put_on_air(older, BroadcastState.RECONNECTING, NOON)
    put_on_air(unlisted)
    put_on_air(disabled)
    put_on_air(over, BroadcastState.FAILED)
    Stream.objects.filter(pk=unlisted.pk).update(visibility=Visibility.UNLISTED)
    Stream.objects.filter(pk=disabled.pk).update(enabled=False)
    listed = client.get("/api/streams").json()["streams"]
    assert [row["name"] for row in listed] == ["stream", "older"]


def test_it_lists_with_two_queries_however_many_streams_there_are(
    client: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Stream.objects.bulk_create(Stream(name=f"s{i}", ladder_id=stream.ladder_id) for i in range(200))
    for other in Stream.objects.all()[:10]:
        put_on_air(other)
    with django_assert_num_queries(2):
        listed = client.get("/api/streams").json()["streams"]
    assert len(listed) == 10


def test_it_tells_of_an_unlisted_stream_to_who_knows_its_name(
    client: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Stream.objects.update(visibility=Visibility.UNLISTED)
    put_on_air(stream)
    with django_assert_num_queries(2):
        assert client.get("/api/streams/stream").json()["state"] == "live"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nobody", "NOBODY", "watch", "a%20b"])
def test_an_unknown_stream_is_404_in_json(client: Client, name: str) -> None:
    answer = client.get(f"/api/streams/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"] == "unknown_stream"


@pytest.mark.parametrize("path", ["/api/streams", "/api/streams/stream", "/api/streams/nobody"])
def test_any_site_may_read_it_and_nobody_keeps_it(
    client: Client, stream: Stream, path: str
) -> None:
    answer = client.get(path)
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


@pytest.mark.django_db
def test_it_is_for_reading_only(client: Client) -> None:
    assert client.post("/api/streams").status_code == 405


def test_an_address_that_asks_without_end_is_told_to_wait(
    client: Client, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_asked", Buckets(Rate(burst=2, per_second=0.5)))

    def ask(address: str) -> Any:
        return client.get("/api/streams", headers={"X-Forwarded-For": address})

    assert [ask("192.0.2.1").status_code for _ in range(3)] == [200, 200, 429]
    refused = ask("192.0.2.1")
    assert refused.headers["Retry-After"] == "2"
    assert refused.json()["error"] == "too_many_requests"
    # A page of another site may read that it has to wait.
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert ask("192.0.2.2").status_code == 200
    assert [ask("127.0.0.1").status_code for _ in range(3)] == [200] * 3
