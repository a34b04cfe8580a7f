"""The routes to Redis in the words of django-redis, channels_redis and kombu. Pure."""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

import redis.asyncio.retry
from redis.backoff import NoBackoff

from livestream.redis_routes import PATIENCE, Route, Sentinels

# Seconds: on a loaded machine an answer may be late, and the chat can wait for it.
CHANNELS_PATIENCE = 5


def cache(route: Route, prefix: str) -> dict[str, Any]:
    """A django-redis cache. LOCATION is a list: in a string a comma would part it, and with
    sentinels a string makes it read from replicas, which lag behind its own writes."""
    options: dict[str, Any] = {
        "SOCKET_CONNECT_TIMEOUT": PATIENCE,
        "SOCKET_TIMEOUT": PATIENCE,
        # Reading a pickle runs what it says, and many a Redis has no password.
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
    }
    location = route.url
    if route.sentinels:
        login = route.login
        # The master is not named here: its own reading of a URL would lower the name's letters.
        location = f"redis://{_places(route.sentinels)[0]}/{login.pop('db')}?is_master=1"
        arguments = {"service_name": route.sentinels.master, **login, **route.tls_by_flag}
        options |= {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": list(route.sentinels.hosts),
            "SENTINEL_KWARGS": route.ask_sentinels(),
            "CONNECTION_POOL_KWARGS": arguments,
        }
    elif route.tls:
        options["CONNECTION_POOL_KWARGS"] = route.tls
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [location],
        "KEY_PREFIX": prefix,
        # What was written before as pickles is not looked at.
        "VERSION": 2,
        "OPTIONS": options,
    }


def session_cache(route: Route, prefix: str) -> dict[str, Any]:
    return cache(route, prefix) | {"BACKEND": "livestream.session_cache.SessionCache"}


def channel_host(route: Route) -> dict[str, Any]:
    """An entry of channels_redis' `hosts`."""
    common = {"socket_timeout": CHANNELS_PATIENCE, "socket_connect_timeout": PATIENCE}
    if not route.sentinels:
        return {"address": route.url, **route.tls, **common}
    retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
    return {
        "master_name": route.sentinels.master,
        "sentinels": list(route.sentinels.hosts),
        "sentinel_kwargs": route.ask_sentinels(retry),
        **route.login,
        **route.tls_by_flag,
        **common,
    }


def broker_url(route: Route) -> str:
    """The address as kombu writes it."""
    parts = urlsplit(route.url)
    if route.sentinels:
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@" if login else ""
        # The login is the master's, and repeated: kombu reads that of whichever host is next.
        return ";".join(
            f"sentinel://{place}{sentinel}/{route.database}"
            for sentinel in _places(route.sentinels)
        )
    if parts.scheme == "unix":
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@" if login else ""
        query = parts.query.replace("db=", "virtual_host=")
        return f"redis+socket://{place}{quote(unquote(parts.path))}{'?' if query else ''}{query}"
    return route.url


def broker_options(route: Route) -> dict[str, Any]:
    """kombu's transport options: where to, and how long to wait there."""
    options: dict[str, Any] = {
        "socket_connect_timeout": PATIENCE,
        "socket_timeout": PATIENCE,
        # A worker's connection is silent while there is nothing to do; this asks whether its other
        # end is still alive.
        "health_check_interval": 5,
    }
    if route.sentinels:
        options |= {
            "master_name": route.sentinels.master,
            "sentinel_kwargs": route.ask_sentinels(),
        }
    return options


def _places(sentinels: Sentinels) -> list[str]:
    return [f"{f'[{host}]' if ':' in host else host}:{port}" for host, port in sentinels.hosts]
