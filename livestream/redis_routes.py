"""The routes to Redis: of the cache (with sessions and presence), the channel layer, the broker.

Each by an address of its own, or by asking sentinels for the master of the moment.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry

# Seconds. Everything can do without Redis for a moment; nothing may hang on it.
PATIENCE = 1


@dataclass(frozen=True)
class Sentinels:
    """Who knows which server is the master."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    password: str = ""

    @classmethod
    def parse(cls, hosts: str, master: str, password: str) -> "Sentinels":
        """`hosts`: host:port,host:port,… Raises ValueError naming what is none."""
        found = []
        for text in hosts.replace(",", " ").split():
            parts = urlsplit(f"//{text}")
            if parts.netloc != text or not parts.hostname or parts.username:
                raise ValueError(f"{text!r} is not host:port")
            found.append((parts.hostname, parts.port or 26379))
        return cls(tuple(found), master, password)


@dataclass(frozen=True)
class Route:
    """One way to a Redis. With sentinels the URL's host and port do not count."""

    url: str
    sentinels: Sentinels | None = None
    ca_file: str = ""

    @property
    def tls(self) -> dict[str, Any]:
        """redis-py's arguments; empty without TLS. Never less than a verified certificate."""
        if urlsplit(self.url).scheme != "rediss":
            return {}
        files = {"ssl_ca_certs": self.ca_file} if self.ca_file else {}
        return {"ssl_cert_reqs": "required", **files}

    @property
    def login(self) -> dict[str, Any]:
        """redis-py's arguments for the master: what else would be read from the URL."""
        parts = urlsplit(self.url)
        login = {"username": parts.username, "password": parts.password}
        return {"db": self.database} | {k: unquote(v) for k, v in login.items() if v}

    @property
    def database(self) -> int:
        text = urlsplit(self.url).path.strip("/")
        return int(text) if text.isascii() and text.isdecimal() else 0

    def ask_sentinels(self, retry: Any = None) -> dict[str, Any]:
        """How to talk to a sentinel. One that is away must not cost more than PATIENCE: redis-py
        would try it three times more before it asked the next one. `retry`: asyncio's, where that
        is wanted."""
        assert self.sentinels is not None
        login = {"password": self.sentinels.password} if self.sentinels.password else {}
        return {
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "retry": retry or Retry(NoBackoff(), 0),
            **login,
            **self.tls_by_flag,
        }

    @property
    def tls_by_flag(self) -> dict[str, Any]:
        """`tls` for where no URL says that it is wanted."""
        return {"ssl": True, **self.tls} if self.tls else {}


@dataclass(frozen=True)
class RedisRoutes:
    """All routes. `url` is the one that a Redis of our own would serve."""

    url: str
    cache: Route
    channels: Route
    broker: Route
    sentinels: Sentinels | None = None
    ca_file: str = ""

    @classmethod
    def plan(
        cls,
        url: str,
        *,
        cache: str = "",
        channels: str = "",
        broker: str = "",
        sentinels: Sentinels | None = None,
        ca_file: str = "",
    ) -> "RedisRoutes":
        """What has a URL of its own goes there directly; the rest shares `url`, or its master."""

        def route(own: str) -> Route:
            return Route(own, None, ca_file) if own else Route(url, sentinels, ca_file)

        return cls(url, route(cache), route(channels), route(broker), sentinels, ca_file)

    def by_variable(self) -> dict[str, Route]:
        """The routes that differ, each under the variable that decides about it."""
        own = {
            "REDIS_CACHE_URL": self.cache,
            "REDIS_CHANNELS_URL": self.channels,
            "REDIS_BROKER_URL": self.broker,
        }
        shared = [route for route in own.values() if route.url == self.url]
        routes = {name: route for name, route in own.items() if route.url != self.url}
        return {"REDIS_URL": shared[0], **routes} if shared else routes

    def problems(self) -> list[str]:
        """What cannot work, without asking any server; each a sentence that shows no password."""
        return [
            problem
            for variable, route in self.by_variable().items()
            for problem in _problems(variable, route)
        ]


def _problems(variable: str, route: Route) -> list[str]:
    parts = urlsplit(route.url)
    found = []
    if parts.scheme not in ("redis", "rediss", "unix"):
        found.append("it begins with redis: or rediss: or unix:.")
    elif parts.scheme == "unix":
        if route.sentinels:
            found.append("a master that sentinels name is not reached by a socket.")
    elif parts.path.strip("/") not in ("", str(route.database)):
        found.append("behind the host comes the number of a database, as in /0.")
    if parts.fragment:
        found.append("a # in a password is written %23.")
    try:
        parts.port  # noqa: B018  # asking raises
    except ValueError:
        found.append("its port is no number below 65536.")
    return [f"{variable} is {without_login(route.url)!r}; {problem}" for problem in found]


def without_login(url: str) -> str:
    """The address for people's eyes, however wrong it is."""
    return re.sub(r"^(\w+:/*)?.*@", r"\1***@", url)
