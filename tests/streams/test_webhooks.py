"""The webhooks, with the requests that nginx-rtmp really sends. Nothing publishes at the ingest
here (there is none), so the publisher of record is taken at its word."""

import threading
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import LazySettings
from django.db import connections
from django.test import Client
from django.utils import timezone

import streams.ingest
import streams.webhooks
from streams.ingest_node import node
from streams.models import Broadcast, Event, IngestNode, Stream, StreamKey
from streams.supervisor.states import EndReason, Wanted

FORM = {
    "app": "live",
    "flashver": "FMLE/3.0 (compatible; FMSc/1.0)",
    "swfurl": "rtmp://127.0.0.1:1935/live",
    "tcurl": "rtmp://127.0.0.1:1935/live",
    "pageurl": "",
    "addr": "203.0.113.9",
    "clientid": "11",
    "call": "publish",
    "name": "",
    "type": "live",
}


class Ingest:
    """Posts hooks as nginx-rtmp behind our proxy does."""

    def __init__(self, secret: str) -> None:
        self.headers = {"X-Ingest-Secret": secret, "X-Ingest-Node": "local"}

    def post(self, path: str, tail: str = "", **fields: str) -> Any:
        body = urlencode({**FORM, **fields}) + tail
        return Client().post(
            path, body, content_type="application/x-www-form-urlencoded", headers=self.headers
        )

    def publish(self, name: str, tail: str = "", **fields: str) -> Any:
        return self.post("/rtmp/publish", tail, name=name, **fields)

    def done(self, name: str, tail: str = "", **fields: str) -> Any:
        return self.post("/rtmp/publish_done", tail, name=name, call="publish_done", **fields)


@pytest.fixture
def ingest(settings: LazySettings) -> Ingest:
    return Ingest(settings.INGEST_SECRET)


@pytest.fixture
def key(stream: Stream) -> str:
    return StreamKey.issue(stream)


def broadcast() -> Broadcast:
    return Broadcast.objects.get(open_key__isnull=False)


def test_the_key_alone_lets_a_publisher_in(ingest: Ingest, stream: Stream, key: str) -> None:
    answer = ingest.publish(key)
    assert answer.status_code == 302
    name = answer.headers["Location"]
    assert name.startswith("stream-")
    assert "/" not in name
    assert key not in name
    assert answer.content == b""
    assert (broadcast().stream, broadcast().ingest_name) == (stream, name)


def test_name_and_key_let_a_publisher_in(ingest: Ingest, stream: Stream, key: str) -> None:
    assert ingest.publish("stream", f"&key={key}").status_code == 302


def test_a_key_opens_its_own_stream_only(ingest: Ingest, stream: Stream, key: str) -> None:
    Stream.objects.create(name="other")
    assert ingest.publish("other", f"&key={key}").status_code == 403


@pytest.mark.parametrize("name", ["wrong", "", "stream", "../stream", "x" * 255])
def test_without_a_key_nobody_gets_in(ingest: Ingest, stream: Stream, name: str) -> None:
    answer = ingest.publish(name)
    assert (answer.status_code, answer.content) == (403, b"")
    assert not Broadcast.objects.exists()


def test_a_field_given_twice_is_refused(ingest: Ingest, stream: Stream, key: str) -> None:
    assert ingest.publish(key, "&name=victim&addr=127.0.0.1&clientid=1").status_code == 403
    assert ingest.publish("stream", f"&key={key}&key={key}").status_code == 403


def test_a_disabled_stream_is_refused(ingest: Ingest, stream: Stream, key: str) -> None:
    Stream.objects.update(enabled=False)
    assert ingest.publish(key).status_code == 403


def test_a_stream_stopped_by_hand_is_refused_for_a_while(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    Stream.objects.update(refused_until=timezone.now() + timedelta(minutes=5))
    assert ingest.publish(key).status_code == 403
    Stream.objects.update(refused_until=timezone.now() - timedelta(seconds=1))
    assert ingest.publish(key).status_code == 302


def test_an_expired_key_is_refused(ingest: Ingest, stream: Stream, key: str) -> None:
    StreamKey.objects.update(expires_at=timezone.now())
    assert ingest.publish(key).status_code == 403


def test_after_a_rotation_both_keys_work(ingest: Ingest, stream: Stream, key: str) -> None:
    new = StreamKey.rotate(stream)
    assert ingest.publish(new, clientid="1").status_code == 302
    ingest.done(new, clientid="1")
    assert ingest.publish(key, clientid="2").status_code == 302


def test_a_second_publisher_is_refused_and_its_end_changes_nothing(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    first = ingest.publish(key, clientid="11").headers["Location"]
    assert ingest.publish(key, clientid="12").status_code == 403
    ingest.done(key, clientid="12")
    assert (broadcast().ingest_name, broadcast().publisher_gone_at) == (first, None)


def test_a_publisher_that_nginx_does_not_list_yet_is_not_thrown_off(
    ingest: Ingest, stream: Stream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nginx answers /stat, and the first publisher, just let in, is not on the page."""
    monkeypatch.setattr(node, "_get", lambda path: b"<rtmp></rtmp>")
    first = ingest.publish(key, clientid="11").headers["Location"]
    assert ingest.publish(key, clientid="12").status_code == 403
    assert broadcast().ingest_name == first
    Broadcast.objects.update(ingest_since=timezone.now() - timedelta(seconds=6))
    assert ingest.publish(key, clientid="13").status_code == 302


def test_a_broadcast_of_last_night_is_not_continued(
    ingest: Ingest, stream: Stream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_get", lambda path: b"<rtmp></rtmp>")
    ingest.publish(key, clientid="11")
    old = broadcast().pk
    then = timezone.now() - timedelta(hours=8)
    Broadcast.objects.update(
        started_at=then, ingest_since=then, last_segment_at=then, lease_until=then
    )
    assert ingest.publish(key, clientid="11").status_code == 302
    assert broadcast().pk != old
    assert Broadcast.objects.get(pk=old).ended_at is not None


def test_with_takeover_the_second_publisher_wins_and_the_firsts_end_changes_nothing(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    Stream.objects.update(takeover=True)
    ingest.publish(key, clientid="11")
    second = ingest.publish(key, clientid="12")
    assert second.status_code == 302
    ingest.done(key, clientid="11")
    assert broadcast().ingest_name == second.headers["Location"]
    assert broadcast().publisher_gone_at is None


def test_a_publisher_that_returns_continues_the_same_broadcast(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    ingest.publish(key, clientid="11")
    before = broadcast().pk
    ingest.done(key, clientid="11")
    assert broadcast().publisher_gone_at is not None
    assert ingest.publish(key, clientid="12").status_code == 302
    assert (broadcast().pk, broadcast().publisher_gone_at) == (before, None)


def test_a_late_done_does_not_end_the_publisher_that_came_back(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    """The same clientid and address come again after the ingest restarted."""
    Stream.objects.update(takeover=True)
    ingest.publish(key, clientid="1", addr="203.0.113.1")
    ingest.publish(key, clientid="1", addr="203.0.113.2")
    ingest.done(key, clientid="1", addr="203.0.113.1")
    assert broadcast().publisher_gone_at is None


def test_a_broadcast_that_is_being_stopped_takes_no_publisher(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    ingest.publish(key, clientid="11")
    Broadcast.objects.update(wanted=Wanted.OFF)
    assert ingest.publish(key, clientid="12").status_code == 403


def test_on_loopback_the_plain_name_works_if_allowed(
    ingest: Ingest, stream: Stream, settings: LazySettings
) -> None:
    assert ingest.publish("stream", addr="127.0.0.1").status_code == 403
    settings.OPEN_INGEST = True
    assert ingest.publish("stream", addr="203.0.113.9").status_code == 403
    assert ingest.publish("stream", addr="::ffff:203.0.113.9").status_code == 403
    assert ingest.publish("stream", addr="127.0.0.1").status_code == 302


def test_who_does_not_know_the_secret_sees_no_hook(stream: Stream, key: str) -> None:
    for secret in ("", "wrong", "wröng"):
        answer = Ingest(secret).publish(key)
        assert answer.status_code == 404
    assert not Broadcast.objects.exists()


def test_an_unset_secret_opens_nothing(stream: Stream, key: str, settings: LazySettings) -> None:
    settings.INGEST_SECRET = ""
    assert Ingest("").publish(key).status_code == 404


def test_who_guesses_fills_no_log_and_locks_nobody_out(
    ingest: Ingest, stream: Stream, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Others may publish from behind the same router."""
    for _ in range(30):
        assert ingest.publish("guess").status_code == 403
    assert sum("wrong_key" in line for line in caplog.messages) == 20
    assert ingest.publish(key).status_code == 302


def test_play_is_for_our_own_ffmpegs(ingest: Ingest, stream: Stream, key: str) -> None:
    name = ingest.publish(key).headers["Location"]
    play = {"call": "play", "addr": "127.0.0.1"}
    assert ingest.post("/rtmp/play", **{**play, "name": name}).status_code == 204
    assert ingest.post("/rtmp/play", **{**play, "name": "stream"}).status_code == 403
    assert ingest.post("/rtmp/play", **{**play, "name": ""}).status_code == 403
    remote = {**play, "name": name, "addr": "203.0.113.9"}
    assert ingest.post("/rtmp/play", **remote).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_many_publishers_at_once_one_gets_in(ingest: Ingest, stream: Stream, key: str) -> None:
    answers: list[int] = []
    ready = threading.Barrier(16)

    def race(number: int) -> None:
        try:
            ready.wait(10)
            answers.append(ingest.publish(key, clientid=str(number)).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [302] + [403] * 15
    assert Broadcast.objects.count() == 1


def timeline() -> list[str]:
    return [event.kind for event in Event.objects.all()]


def test_the_timeline_tells_of_publishers(ingest: Ingest, stream: Stream, key: str) -> None:
    ingest.publish(key)
    ingest.publish(key, clientid="12")
    ingest.done(key)
    ingest.publish(key, clientid="13")
    assert timeline() == ["published", "refused", "publisher_left", "reconnected"]


def test_a_take_over_stands_on_the_timeline(ingest: Ingest, stream: Stream, key: str) -> None:
    Stream.objects.update(takeover=True)
    ingest.publish(key)
    ingest.publish(key, clientid="12")
    assert timeline() == ["published", "taken_over"]


def refuse(broadcast: Broadcast, **columns: Any) -> None:
    """As the supervisor does with a codec nobody can play."""
    closing = broadcast.closing(EndReason.INPUT_UNREADABLE, timezone.now())
    Broadcast.objects.filter(pk=broadcast.pk).update(**closing, end_note="no", **columns)


def test_an_encoder_that_comes_back_after_a_refusal_continues_the_same_broadcast(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    ingest.publish(key)
    first = broadcast()
    refuse(first)
    assert ingest.publish(key, clientid="12").status_code == 302
    again = broadcast()
    assert (again.pk, again.state, again.end_note) == (first.pk, "starting", "")
    assert (again.ended_at, again.wanted, again.ingest_client) == (None, "on", "12")


def test_a_failed_broadcast_that_was_on_air_is_not_opened_again(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    ingest.publish(key)
    first = broadcast()
    refuse(first, renditions=[{"name": "720p"}])
    ingest.publish(key, clientid="12")
    assert broadcast().pk != first.pk


def test_a_refusal_of_long_ago_is_another_broadcast(
    ingest: Ingest, stream: Stream, key: str
) -> None:
    ingest.publish(key)
    first = broadcast()
    refuse(first)
    Broadcast.objects.update(ended_at=timezone.now() - timedelta(minutes=11))
    ingest.publish(key, clientid="12")
    assert broadcast().pk != first.pk


@pytest.mark.parametrize(("grows", "status"), [(True, 403), (False, 302)])
def test_a_publisher_that_has_fallen_silent_gives_way(
    ingest: Ingest, stream: Stream, key: str, grows: bool, status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ingest.publish(key)
    since = timezone.now() - timedelta(minutes=1)
    Broadcast.objects.update(ingest_since=since)
    name, received = broadcast().ingest_name, iter(range(1000, 2000))

    def stat(path: str) -> bytes:
        if path.startswith("/control"):
            return b"1"
        count = next(received) if grows else 1000
        return (
            "<rtmp><server><application><name>live</name><live><stream>"
            f"<name>{name}</name><bytes_in>{count}</bytes_in>"
            "<client><id>11</id><publishing/></client>"
            "</stream></live></application></server></rtmp>"
        ).encode()

    monkeypatch.setattr(node, "_get", stat)
    assert ingest.publish(key, clientid="12").status_code == status


def test_a_publisher_that_was_let_in_too_late_may_come_again_at_once(
    ingest: Ingest, stream: Stream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ingest has given up on the hook, and on its publisher."""
    with monkeypatch.context() as slow:
        slow.setattr(streams.webhooks, "TOO_LATE", -1.0)
        assert ingest.publish(key).status_code == 403
    assert broadcast().publisher_gone_at is not None
    assert ingest.publish(key, clientid="12").status_code == 302


def test_a_done_for_a_publisher_that_is_still_there_changes_nothing(
    ingest: Ingest, stream: Stream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.publish(key)
    name = broadcast().ingest_name
    monkeypatch.setattr(
        node,
        "_get",
        lambda path: (
            f"<rtmp><server><application><name>live</name><live><stream><name>{name}</name>"
            "<client><id>11</id><publishing/></client></stream></live></application></server></rtmp>"
        ).encode(),
    )
    assert ingest.done(key).status_code == 204
    assert broadcast().publisher_gone_at is None


@pytest.mark.parametrize(
    ("address", "status"), [("10.0.0.7", 204), ("10.0.1.7", 403), ("127.0.0.1", 204), ("", 403)]
)
def test_hosts_of_workers_may_play_and_nobody_else(
    ingest: Ingest, stream: Stream, key: str, settings: LazySettings, address: str, status: int
) -> None:
    settings.WORKERS = [ip_network("10.0.0.0/24")]
    name = ingest.publish(key).headers["Location"]
    assert ingest.post("/rtmp/play", name=name, call="play", addr=address).status_code == status


def test_what_a_node_tells_of_itself_is_remembered_with_its_publisher(
    ingest: Ingest, stream: Stream, key: str, settings: LazySettings
) -> None:
    ingest.headers |= {
        "X-Ingest-Node": "far",
        "X-Ingest-Control": "http://192.0.2.1:8191",
        "X-Ingest-Pull": "rtmp://192.0.2.1:1935/live",
    }
    assert ingest.publish(key).status_code == 302
    assert broadcast().ingest_node == "far"
    row = IngestNode.objects.get()
    assert (row.name, row.control_url) == ("far", "http://192.0.2.1:8191")


def test_a_stream_that_is_deleted_in_this_moment_takes_no_publisher(
    ingest: Ingest, stream: Stream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who deletes it disables it first, and then looks for its broadcasts."""
    insert = streams.ingest.insert_once

    def delete_then_insert(row: Broadcast) -> None:
        Stream.objects.update(enabled=False)
        insert(row)

    monkeypatch.setattr(streams.ingest, "insert_once", delete_then_insert)
    assert ingest.publish(key).status_code == 403
    assert not Broadcast.objects.exists()
