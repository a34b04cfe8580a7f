"""Whom to count a request for: the address that our own edge saw."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"


def client_network(peer: str, forwarded: Iterable[str], edges: Iterable[Network]) -> str:
    """An IPv4 address, an IPv6 /64 network, or "unknown". Pure.

    `forwarded`: the X-Forwarded-For headers. They are believed from edges only, or from a unix
    socket (no peer), and only the last element, which is the one that our nginx itself wrote.
    """
    if not peer or _is_one_of(peer, edges):
        lines = list(forwarded)
        claimed = lines[-1].split(",")[-1].strip() if lines else ""
        return _network(claimed) or _network(peer) or UNKNOWN
    return _network(peer) or UNKNOWN


def address_of(request: HttpRequest) -> str:
    """`client_network` of a request to Django."""
    forwarded = request.headers.get("X-Forwarded-For")
    return client_network(
        request.META.get("REMOTE_ADDR") or "",
        [] if forwarded is None else [forwarded],
        settings.TRUSTED_EDGES,
    )


def neighbourhood(address: str) -> str:
    """The network around what `client_network` returns that one customer, or one whole site, may
    have: /24 of IPv4, /48 of IPv6 (RFC 6177). What is no address is left as it is."""
    first = address.partition("/")[0]
    try:
        size = 24 if ip_address(first).version == 4 else 48
    except ValueError:
        return address
    return str(ip_network(f"{first}/{size}", strict=False))


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_one_of(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback or any(parsed in network for network in networks)


def _network(address: str) -> str | None:
    """One IPv6 customer has a whole /64, so its single addresses mean nothing."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
