"""System checks, one by one."""

import re
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, connection

from livestream.redis_routes import RedisRoutes, Sentinels
from streams import checks
from streams.origin.pressure import Watermark
from tests.deploy.installation import Installation


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_all_is_well_as_the_tests_run() -> None:
    assert ids(checks.check_programs()) == []
    assert ids(checks.check_ingest_secret()) == []
    assert ids(checks.check_database()) == []
    assert ids(checks.check_addresses()) == []
    assert ids(checks.check_socket_path()) == []
    assert ids(checks.check_watermarks()) == []
    assert ids(checks.check_redis()) == []
    assert ids(checks.check_redis_authority()) == []
    assert ids(checks.check_sentinels()) == []


def test_it_misses_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ids(checks.check_programs()) == ["streams.E001", "streams.E001"]


def test_it_misses_the_ingest_secret(settings: LazySettings) -> None:
    settings.INGEST_SECRET = ""
    assert ids(checks.check_ingest_secret()) == ["streams.E002"]


@pytest.mark.django_db
def test_it_asks_the_database_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids(checks.check_database(databases=["default"])) == []
    monkeypatch.setattr(connection, "ensure_connection", _refuse)
    assert ids(checks.check_database()) == []
    (message,) = checks.check_database(databases=["default"])
    assert message.id == "streams.E003"
    assert "nobody is there" in message.msg


@pytest.mark.parametrize(
    ("processes", "uri", "found"),
    [
        (["web", "worker"], "", []),
        (["ingest"], "", []),
        (["web", "beat"], "", ["streams.E012"]),
        (["worker"], "", ["streams.E012"]),
        (["worker"], "mongodb://db.example.org/livestream", []),
    ],
)
def test_a_file_is_no_database_for_several_hosts(
    processes: list[str], uri: str, found: list[str], settings: LazySettings
) -> None:
    settings.ENV = replace(settings.ENV, processes=processes)
    settings.MONGODB_URI = uri
    assert ids(checks.check_several_hosts()) == found


def _refuse() -> None:
    raise DatabaseError("nobody is there")


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("", []),
        ("mongodb://localhost/livestream", []),
        ("mongodb://127.0.0.1:1,[::1]:2/livestream", []),
        ("mongodb://user:secret@db.example.org/livestream", []),
        ("mongodb://db.example.org/livestream?authMechanism=MONGODB-X509", []),
        ("mongodb://db.example.org:27017/livestream", ["streams.W002"]),
        ("mongodb://localhost,db.example.org/livestream", ["streams.W002"]),
    ],
)
def test_a_server_that_asks_for_no_password(
    uri: str, found: list[str], settings: LazySettings
) -> None:
    settings.MONGODB_URI = uri
    assert ids(checks.check_mongodb_password()) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_WS_URL", "http://example.org"),
        ("PUBLIC_HLS_URL", "example.org/hls"),
        ("RTMP_PULL_URL", "http://127.0.0.1"),
        ("INGEST_URL", "/run/ingest.sock"),
    ],
)
def test_it_refuses_addresses_of_a_wrong_shape(
    settings: LazySettings, name: str, value: str
) -> None:
    setattr(settings, name, value)
    assert ids(checks.check_addresses()) == ["streams.E004"]


def test_it_refuses_a_socket_path_no_kernel_takes(settings: LazySettings) -> None:
    settings.INGEST_URL = "unix:/" + "x" * 120
    assert ids(checks.check_socket_path()) == ["streams.E005"]


@pytest.mark.parametrize(
    ("low", "least"), [("200", "200"), ("5%", "10%"), ("100%", "5%"), ("10%", "0")]
)
def test_it_refuses_watermarks_that_make_no_sense(
    settings: LazySettings, low: str, least: str
) -> None:
    settings.DISK_LOW, settings.DISK_MIN_FREE = Watermark.parse(low), Watermark.parse(least)
    assert ids(checks.check_watermarks()) == ["streams.E006"]


def test_an_open_ingest_is_warned_about_in_production(settings: LazySettings) -> None:
    settings.OPEN_INGEST = True
    assert ids(checks.check_open_ingest()) == ["streams.W001"]


@dataclass
class Environment:
    redis: RedisRoutes = field(default_factory=lambda: RedisRoutes.plan("redis://h"))
    https: bool = False
    bind: str = "127.0.0.1"
    backend_bind: str = ""
    processes: tuple[str, ...] = ("web",)


def test_it_refuses_a_wrong_address_of_redis(settings: LazySettings) -> None:
    settings.ENV = Environment(RedisRoutes.plan("redis://h", cache="http://:hidden@h"))
    (error,) = checks.check_redis()
    assert error.id == "streams.E010"
    assert "REDIS_CACHE_URL" in error.msg
    assert "hidden" not in error.msg


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_it_refuses_an_authority_without_certificates(
    settings: LazySettings, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    settings.ENV = Environment(RedisRoutes.plan("rediss://h", ca_file=str(file)))
    (error,) = checks.check_redis_authority()
    assert error.id == "streams.E011"
    assert str(file) in error.msg


def test_it_warns_of_too_few_sentinels(settings: LazySettings) -> None:
    pair = Sentinels((("a", 1), ("b", 2)), "livestream")
    settings.ENV = Environment(RedisRoutes.plan("redis://h", sentinels=pair))
    assert ids(checks.check_sentinels()) == ["streams.W010"]


@pytest.mark.parametrize(
    ("https", "bind", "found"),
    [
        (False, "127.0.0.1", []),
        (False, "::1", []),
        (True, "0.0.0.0", []),
        (False, "0.0.0.0", ["streams.W011"]),
        (False, "live.example.org", ["streams.W011"]),
    ],
)
def test_it_warns_of_passwords_that_travel_readable(
    settings: LazySettings, https: bool, bind: str, found: list[str]
) -> None:
    settings.ENV = Environment(https=https, bind=bind)
    assert ids(checks.check_plain_http()) == found


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"LIVESTREAM_HTTPS": "true", "LIVESTREAM_BIND": "0.0.0.0"}, []),
        ({}, []),
        ({"LIVESTREAM_BIND": "0.0.0.0"}, ["streams.W011"]),
        ({"LIVESTREAM_BACKEND_BIND": "10.77.0.20"}, ["streams.W011"]),
        ({"LIVESTREAM_OPEN_INGEST": "loopback"}, ["streams.W001"]),
    ],
)
def test_check_deploy_is_silent_unless_something_is_wrong(
    tmp_path: Path, variables: dict[str, str], found: list[str]
) -> None:
    run = Installation(tmp_path, DJANGO_SETTINGS_MODULE="livestream.settings", **variables).run(
        "django", "check", "--deploy"
    )
    assert re.findall(r"\((\S+\.[EW]\d+)\)", run.stderr) == found
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("bind", "edges", "processes", "warned"),
    [
        ("", "", ["web"], []),
        ("127.0.0.1", "", ["web"], []),
        ("10.77.0.20", "", ["web"], ["streams.W012"]),
        ("10.77.0.20", "10.77.0.30", ["web"], []),
        ("10.77.0.20", "", ["ingest"], []),
    ],
)
def test_a_web_that_edges_ask_from_elsewhere_has_to_know_them(
    settings: LazySettings, bind: str, edges: str, processes: list[str], warned: list[str]
) -> None:
    networks = [ip_network(edges)] if edges else []
    settings.ENV = replace(
        settings.ENV, backend_bind=bind, trusted_edges=networks, processes=processes
    )
    assert ids(checks.check_trusted_edges()) == warned
