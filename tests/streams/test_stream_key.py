"""Keys: shown once, stored as digests, rotated without cutting anybody off."""

from datetime import timedelta

from django.utils import timezone

from streams.models import Stream, StreamKey


def test_the_key_itself_is_not_stored(stream: Stream) -> None:
    text = StreamKey.issue(stream)
    row = StreamKey.objects.values().get()
    assert text not in str(row)
    assert row["hint"] == text[-4:]


def test_two_keys_differ_and_are_long(stream: Stream) -> None:
    first, second = StreamKey.issue(stream), StreamKey.issue(stream)
    assert first != second
    assert len(first) >= 32


def test_a_rotation_ends_older_keys_after_the_overlap(stream: Stream) -> None:
    old = StreamKey.issue(stream)
    new = StreamKey.rotate(stream, overlap=timedelta(hours=1))
    now = timezone.now()
    assert StreamKey.find(old, now) is not None
    assert StreamKey.find(old, now + timedelta(hours=1, seconds=1)) is None
    assert StreamKey.find(new, now + timedelta(days=1000)) is not None


def test_a_rotation_does_not_prolong_a_key_that_ends_sooner(stream: Stream) -> None:
    StreamKey.issue(stream)
    sooner = timezone.now() + timedelta(minutes=1)
    StreamKey.objects.update(expires_at=sooner)
    StreamKey.rotate(stream)
    assert StreamKey.objects.filter(expires_at=sooner).exists()
