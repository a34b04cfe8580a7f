"""Whom a socket is counted for."""

import pytest

from chat.viewers import client_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (("127.0.0.1", 1), ["198.51.100.7"], "198.51.100.7"),
        (("::1", 1), ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (None, ["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        (("203.0.113.1", 1), ["6.6.6.6"], "203.0.113.1"),
        (("127.0.0.1", 1), ["nonsense"], "127.0.0.1"),
        (("127.0.0.1", 1), [], "127.0.0.1"),
        (None, [], "unknown"),
        (("::ffff:198.51.100.7", 1), [], "198.51.100.7"),
        (("2001:db8:1:2:3:4:5:6", 1), [], "2001:db8:1:2::/64"),
    ],
)
def test_a_forwarded_address_is_believed_from_loopback_only_and_only_its_last_element(
    peer, forwarded, address
):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_address({"client": peer, "headers": headers}) == address
