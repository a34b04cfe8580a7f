"""Whom a request is counted for."""

from ipaddress import ip_network

import pytest
from django.conf import LazySettings
from django.test import RequestFactory

from streams.client_address import address_of, client_network

EDGES = [ip_network("172.20.0.0/16"), ip_network("2001:db8:e::/48")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("172.20.0.9", ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        ("::ffff:172.20.0.9", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:e::1", ["198.51.100.7"], "198.51.100.7"),
        ("172.21.0.9", ["198.51.100.7"], "172.21.0.9"),
        ("no address", ["198.51.100.7"], "unknown"),
    ],
)
def test_an_edge_on_another_host_is_believed_when_it_was_named(
    peer: str, forwarded: list[str], address: str
) -> None:
    assert client_network(peer, forwarded, EDGES) == address


def test_a_request_s_address_follows_the_settings(settings: LazySettings) -> None:
    settings.TRUSTED_EDGES = EDGES
    claims = {"X-Forwarded-For": "198.51.100.7"}
    requests = RequestFactory()
    for peer, address in (("172.20.0.9", "198.51.100.7"), ("203.0.113.1", "203.0.113.1")):
        request = requests.get("/", headers=claims, REMOTE_ADDR=peer)
        assert address_of(request) == address
    assert address_of(requests.get("/", REMOTE_ADDR="")) == "unknown"
