"""Presence: counting who watches a stream."""

from uuid import uuid4

from django.test import override_settings

from streams import presence


def test_a_viewer_with_two_tabs_counts_once():
    stream = uuid4()
    presence.seen(stream, "alice")
    presence.seen(stream, "alice")
    assert presence.seen(stream, "bob") == 2
    assert presence.count(stream) == 2


def test_viewers_of_one_stream_do_not_count_for_another():
    presence.seen(uuid4(), "alice")
    assert presence.count(uuid4()) == 0


def test_a_viewer_who_left_does_not_count():
    stream = uuid4()
    presence.seen(stream, "alice", "bob")
    presence.gone(stream, "alice", "somebody else")
    assert presence.count(stream) == 1


def test_a_viewer_not_seen_for_longer_than_the_window_does_not_count():
    stream = uuid4()
    presence.seen(stream, "alice", now=1000.0)
    presence.seen(stream, "bob", now=1020.0)
    assert presence.count(stream, now=1030.0) == 2
    assert presence.count(stream, now=1030.1) == 1


def test_nobody_is_counted_while_redis_is_away():
    away = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    stream = uuid4()
    with override_settings(CACHES=away):
        assert presence.seen(stream, "alice") is None
        presence.gone(stream, "alice")
        assert presence.count(stream) == 0


def test_many_streams_are_counted_at_once():
    busy, empty, old = uuid4(), uuid4(), uuid4()
    presence.seen(busy, "alice", "bob", now=1000.0)
    presence.seen(old, "alice", now=960.0)
    assert presence.counts([busy, empty, old], now=1000.0) == {busy: 2, empty: 0, old: 0}
    assert presence.counts([]) == {}
