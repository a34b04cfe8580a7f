"""Token buckets."""

import pytest

from streams import buckets as module
from streams.buckets import Buckets, Rate


def test_a_full_bucket_allows_its_burst_and_then_says_how_long_to_wait() -> None:
    buckets = Buckets(Rate(burst=5, per_second=0.5))
    for _ in range(5):
        assert buckets.wait("alice", now=100.0) == 0.0
        buckets.take("alice", now=100.0)
    assert buckets.wait("alice", now=100.0) == 2.0
    assert buckets.wait("alice", now=101.5) == 0.5
    assert buckets.wait("alice", now=102.0) == 0.0


def test_who_has_to_wait_is_told_how_long_and_loses_nothing_by_asking() -> None:
    buckets = Buckets(Rate(burst=2, per_second=0.5))
    assert [buckets.admit("alice", now=0.0) for _ in range(4)] == [0.0, 0.0, 2.0, 2.0]
    assert buckets.admit("alice", now=2.0) == 0.0


def test_a_bucket_does_not_grow_beyond_its_burst_however_long_one_waits() -> None:
    buckets = Buckets(Rate(burst=2, per_second=1.0))
    buckets.take("alice", now=0.0)
    for _ in range(2):
        buckets.take("alice", now=1000.0)
    assert buckets.wait("alice", now=1000.0) == 1.0


def test_buckets_that_are_full_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_AT", 10)
    buckets = Buckets(Rate(burst=1, per_second=1.0))
    for n in range(1000):
        buckets.take(f"viewer {n}", now=float(n))
    assert len(buckets) <= 11
