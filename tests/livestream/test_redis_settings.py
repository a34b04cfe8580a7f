"""What each library is told, from what the environment says."""

import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from livestream import redis_settings
from livestream.redis_routes import RedisRoutes, Route, Sentinels, without_login

THREE = Sentinels((("a", 1), ("b", 2), ("::1", 3)), "Main", "s3cret")
ASKED = {"socket_timeout": 1, "socket_connect_timeout": 1, "password": "s3cret"}


def without_retry(arguments: dict[str, Any]) -> dict[str, Any]:
    """Retries know no equality; that there are none left is looked at by itself."""
    assert arguments["retry"].get_retries() == 0
    return {name: value for name, value in arguments.items() if name != "retry"}


def test_what_has_no_address_of_its_own_shares_one() -> None:
    routes = RedisRoutes.plan("redis://shared/0")
    assert routes.cache == routes.channels == routes.broker == Route("redis://shared/0")
    assert list(routes.by_variable()) == ["REDIS_URL"]


def test_each_part_can_have_a_server_of_its_own() -> None:
    routes = RedisRoutes.plan(
        "redis://s", cache="redis://a", channels="redis://b", broker="redis://c"
    )
    assert (routes.cache.url, routes.channels.url, routes.broker.url) == (
        "redis://a",
        "redis://b",
        "redis://c",
    )
    assert list(routes.by_variable()) == [
        "REDIS_CACHE_URL",
        "REDIS_CHANNELS_URL",
        "REDIS_BROKER_URL",
    ]


def test_what_has_an_address_of_its_own_asks_no_sentinel() -> None:
    routes = RedisRoutes.plan("redis://s", cache="redis://a", sentinels=THREE)
    assert routes.cache.sentinels is None
    assert routes.channels.sentinels == routes.broker.sentinels == THREE


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a:1,b:2, [::1]:3", (("a", 1), ("b", 2), ("::1", 3))),
        ("redis-1.example", (("redis-1.example", 26379),)),
    ],
)
def test_sentinels_are_read(text: str, hosts: tuple[tuple[str, int], ...]) -> None:
    assert Sentinels.parse(text, "Main", "").hosts == hosts


@pytest.mark.parametrize("text", ["a:b", "a:1,redis://b:2", "a:1/0", ":1", "a:99999", "me@a:1"])
def test_what_is_no_sentinel_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its words are urllib's in part
        Sentinels.parse(text, "Main", "")


@pytest.mark.parametrize(
    ("route", "location", "options"),
    [
        (Route("redis://:a,b@h:1/2"), "redis://:a,b@h:1/2", {}),
        (
            Route("rediss://h/1", None, "/ca.pem"),
            "rediss://h/1",
            {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
        ),
        (Route("rediss://h"), "rediss://h", {"ssl_cert_reqs": "required"}),
        (
            Route("redis://u:p%40w@any/4", THREE),
            "redis://a:1/4?is_master=1",
            {"service_name": "Main", "username": "u", "password": "p@w"},
        ),
        (
            Route("rediss://any", THREE, "/ca.pem"),
            "redis://a:1/0?is_master=1",
            {
                "service_name": "Main",
                "ssl": True,
                "ssl_cert_reqs": "required",
                "ssl_ca_certs": "/ca.pem",
            },
        ),
    ],
)
def test_the_cache_s_settings(route: Route, location: str, options: dict[str, object]) -> None:
    cache = redis_settings.cache(route, "prefix")
    assert cache["LOCATION"] == [location]
    assert cache["OPTIONS"].get("CONNECTION_POOL_KWARGS", {}) == options
    assert cache["OPTIONS"].get("SENTINELS", []) == (list(THREE.hosts) if route.sentinels else [])


@pytest.mark.parametrize(
    ("route", "host"),
    [
        (Route("redis://:p@h:1/2"), {"address": "redis://:p@h:1/2"}),
        (
            Route("rediss://h/1", None, "/ca.pem"),
            {"address": "rediss://h/1", "ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
        ),
        (
            Route("redis://u:p%40w@any/4", THREE),
            {
                "master_name": "Main",
                "sentinels": list(THREE.hosts),
                "sentinel_kwargs": ASKED,
                "username": "u",
                "password": "p@w",
                "db": 4,
            },
        ),
    ],
)
def test_the_channel_layer_s_host(route: Route, host: dict[str, object]) -> None:
    found = redis_settings.channel_host(route)
    if route.sentinels:
        found["sentinel_kwargs"] = without_retry(found["sentinel_kwargs"])
    assert found == {**host, "socket_timeout": 5, "socket_connect_timeout": 1}


@pytest.mark.parametrize(
    ("route", "url"),
    [
        (Route("redis://:p@h:1/2"), "redis://:p@h:1/2"),
        (Route("rediss://h"), "rediss://h"),
        (Route("unix:///run/redis.sock"), "redis+socket:///run/redis.sock"),
        (
            Route("unix://u:p@/run/redis.sock?db=3"),
            "redis+socket://u:p@/run/redis.sock?virtual_host=3",
        ),
        (
            Route("redis://u:p%40w@any/4", THREE),
            "sentinel://u:p%40w@a:1/4;sentinel://u:p%40w@b:2/4;sentinel://u:p%40w@[::1]:3/4",
        ),
    ],
)
def test_the_broker_s_address(route: Route, url: str) -> None:
    assert redis_settings.broker_url(route) == url


def test_the_broker_asks_the_sentinels_for_the_master() -> None:
    options = redis_settings.broker_options(Route("redis://any", THREE))
    assert options["master_name"] == "Main"
    assert without_retry(options["sentinel_kwargs"]) == ASKED
    assert "master_name" not in redis_settings.broker_options(Route("redis://h"))


def test_a_sentinel_is_asked_in_the_way_of_the_event_loop() -> None:
    retry = Retry(NoBackoff(), 0)
    route = Route("rediss://any", THREE, "/ca.pem")
    assert route.ask_sentinels(retry)["retry"] is retry
    assert route.ask_sentinels()["ssl_ca_certs"] == "/ca.pem"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://:hidden@h", "begins with redis:"),
        ("redis:/:hidden@h/0", "number of a database"),
        ("redis://:hidden@h/live", "number of a database"),
        ("redis://:hidden@h:99999", "port"),
        ("redis://:hidden#@h", "%23"),
        ("h:6379", "begins with redis:"),
    ],
)
def test_a_wrong_address_is_explained_and_no_password_shown(url: str, said: str) -> None:
    problems = " ".join(RedisRoutes.plan(url).problems())
    assert problems.startswith("REDIS_URL is ")
    assert said in problems
    assert "hidden" not in problems


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:1/15", "unix:///run/redis.sock?db=1", "redis://[::1]:1/0"]
)
def test_a_right_address_is_no_problem(url: str) -> None:
    assert RedisRoutes.plan(url).problems() == []


def test_a_master_s_socket_is_refused() -> None:
    assert "socket" in RedisRoutes.plan("unix:///run/r.sock", sentinels=THREE).problems()[0]


def test_the_variable_at_fault_is_named() -> None:
    (problem,) = RedisRoutes.plan("redis://h", broker="amqp://h").problems()
    assert problem.startswith("REDIS_BROKER_URL is 'amqp://h'")


def test_an_address_is_shown_without_its_login() -> None:
    assert without_login("redis://u:p@ss@h:1/0") == "redis://***@h:1/0"
    assert without_login("redis://h:1/0") == "redis://h:1/0"


class Bomb:
    """As a pickle it makes a file of whoever reads it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.open, (str(self._file), os.O_CREAT)


def test_who_may_write_to_redis_runs_nothing_here(tmp_path: Path) -> None:
    """On one machine that is everybody with an account there: it may have no password."""
    for name in ("default", "sessions"):
        cache = caches[name]
        key = cache.make_key("planted")
        get_redis_connection(name).set(key, pickle.dumps(Bomb(tmp_path / name)), ex=10)
        with suppress(UnicodeDecodeError, ValueError):
            cache.get("planted")
        assert not (tmp_path / name).exists()
