"""The chat's limits: how often a viewer and an address may come and speak."""

from chat.limits import Limits
from streams.buckets import Rate


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


def test_an_address_may_not_open_sockets_without_end():
    some = Limits(connects=Rate(burst=2, per_second=1.0))
    assert [some.enter("192.0.2.1", now=0.0) for _ in range(3)] == [True, True, False]
    assert some.enter("192.0.2.2", now=0.0)
    assert some.enter("192.0.2.1", now=1.0)
