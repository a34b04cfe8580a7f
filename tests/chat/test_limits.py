"""The chat's limits: how often a viewer and an address may speak."""

from chat import limits
from chat.limits import Buckets, Limits, Rate


def test_a_full_bucket_allows_its_burst_and_then_says_how_long_to_wait():
    buckets = Buckets(Rate(burst=5, per_second=0.5))
    for _ in range(5):
        assert buckets.wait("alice", now=100.0) == 0.0
        buckets.take("alice", now=100.0)
    assert buckets.wait("alice", now=100.0) == 2.0
    assert buckets.wait("alice", now=101.5) == 0.5
    assert buckets.wait("alice", now=102.0) == 0.0


def test_a_bucket_does_not_grow_beyond_its_burst_however_long_one_waits():
    buckets = Buckets(Rate(burst=2, per_second=1.0))
    buckets.take("alice", now=0.0)
    for _ in range(2):
        buckets.take("alice", now=1000.0)
    assert buckets.wait("alice", now=1000.0) == 1.0


def test_a_viewer_is_limited_wherever_she_comes_from():
    some = Limits()
    waits = [some.admit("alice", f"192.0.2.{n}", now=0.0) for n in range(6)]
    assert waits == [0.0] * 5 + [2.0]


def test_an_address_is_limited_whoever_comes_from_it():
    some = Limits()
    waits = [some.admit(f"viewer {n}", "192.0.2.1", now=0.0) for n in range(21)]
    assert waits == [0.0] * 20 + [0.5]


def test_a_refused_action_costs_nothing():
    some = Limits()
    for _ in range(50):
        some.admit("alice", "192.0.2.1", now=0.0)
    assert some.admit("alice", "192.0.2.1", now=2.0) == 0.0


def test_buckets_that_are_full_again_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "SWEEP_AT", 10)
    buckets = Buckets(Rate(burst=1, per_second=1.0))
    for n in range(1000):
        buckets.take(f"viewer {n}", now=float(n))
    assert len(buckets) <= 11
