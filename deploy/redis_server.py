"""Which Redis this installation uses: those that the environment names, or one of its own.

`python -m deploy.redis_server` prints `theirs` or `own`, or exits 1 and says why neither works.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from livestream import env as environment
from livestream.redis_routes import RedisRoutes, Route, without_login

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PATIENCE = 2.0  # seconds


@dataclass(frozen=True)
class RedisAddress:
    """What REDIS_URL says, as far as a server of our own could serve it."""

    host: str
    port: int
    password: str
    ours_to_serve: bool

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        ours = parts.scheme == "redis" and host in LOOPBACK and not parts.username
        return cls(
            host="127.0.0.1" if host == "localhost" else host,
            port=parts.port or 6379,
            password=unquote(parts.password or ""),
            ours_to_serve=ours,
        )


def connect(route: Route) -> "redis.Redis":
    """A client that tries once."""
    retry = Retry(NoBackoff(), 0)
    limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
    if route.sentinels is None:
        return redis.Redis.from_url(route.url, retry=retry, **limits, **route.tls)
    arguments = {**limits, **route.login, **route.tls_by_flag}
    sentinel: Any = redis.Sentinel(  # type: ignore[no-untyped-call]
        list(route.sentinels.hosts), sentinel_kwargs=route.ask_sentinels()
    )
    master: redis.Redis = sentinel.master_for(route.sentinels.master, retry=retry, **arguments)
    return master


def who_serves(routes: RedisRoutes, var: Path) -> str:
    """`theirs` or `own`. Raises SystemExit, never showing a password."""
    problems = routes.problems()
    if problems:
        raise SystemExit("\n".join(problems))
    theirs = [_is_theirs(name, route, routes, var) for name, route in routes.by_variable().items()]
    return "theirs" if all(theirs) else "own"


def _is_theirs(variable: str, route: Route, routes: RedisRoutes, var: Path) -> bool:
    """Whether another Redis answers there; False where ours does, or is for us to start."""
    place = _place(route)
    client = connect(route)
    may_be_ours = route.url == routes.url and RedisAddress.parse(route.url).ours_to_serve
    may_be_ours = may_be_ours and route.sentinels is None
    try:
        client.ping()
        _refuse_a_cluster(client, place)
        return not (may_be_ours and _configuration(client) == f"{var}/conf/redis.conf")
    except redis.AuthenticationError as refusal:
        raise SystemExit(
            f"The Redis at {place} wants other credentials ({refusal}).\n"
            f"  Put the right ones into {variable}: redis://:PASSWORD@HOST:PORT/0"
        ) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if may_be_ours:
            return False
        said = str(error).partition(" : ")[0]
        reason = said if route.sentinels or "certificate" in said else type(error).__name__
        raise SystemExit(
            f"Nothing answers as Redis at {place} ({reason}).\n"
            f"  Start that Redis, correct {variable}, or leave out all that begins with REDIS_ to "
            "have one run here."
        ) from None
    except redis.RedisError as error:
        raise SystemExit(f"The Redis at {place} says: {error}") from None
    finally:
        client.close()


def _configuration(client: "redis.Redis") -> str:
    """The file with which it was started."""
    try:
        return str(client.info("server").get("config_file", ""))
    except redis.ResponseError:
        return ""  # of a server that may forbid it, which ours does not


def _place(route: Route) -> str:
    if route.sentinels is None:
        return without_login(route.url)
    hosts = ", ".join(f"{host}:{port}" for host, port in route.sentinels.hosts)
    return f"the master {route.sentinels.master!r} of the sentinels {hosts}"


def _refuse_a_cluster(client: "redis.Redis", place: str) -> None:
    """It would take some of the keys and refuse the others, in the middle of a broadcast."""
    try:
        clustered = client.info("cluster").get("cluster_enabled")
    except redis.ResponseError:
        return  # may be forbidden, by a host of Redis servers that knows what it offers
    if clustered:
        raise SystemExit(
            f"The Redis at {place} is part of a Redis Cluster, which Celery, Channels and "
            "django-redis do not speak.\n  Use one Redis, Sentinel, or a Redis each by "
            "REDIS_CACHE_URL, REDIS_CHANNELS_URL and REDIS_BROKER_URL; docs/redis.md says more."
        )


if __name__ == "__main__":
    env = environment.read()
    sys.stdout.write(who_serves(env.redis, env.var) + "\n")
