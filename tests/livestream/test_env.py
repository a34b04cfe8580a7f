"""The environment: what is read, what is refused, and that the file is not stronger than it."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from livestream import env

SECRET = "x" * 50


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = {"SECRET_KEY": SECRET, "LIVESTREAM_VAR": str(tmp_path)}
    monkeypatch.setattr("os.environ", variables)
    monkeypatch.setattr("environ.Env.ENVIRON", variables)


def test_the_defaults(tmp_path: Path) -> None:
    found = env.read()
    assert (found.debug, found.https, found.open_ingest) == (False, False, "off")
    assert found.redis.url == "redis://127.0.0.1:6379/0"
    assert found.bind == "127.0.0.1"
    assert found.rtmp_url == "rtmp://localhost:1935/live"
    assert found.ingest_url == f"unix:{tmp_path}/run/ingest.sock"
    assert found.public_hls_url == ""
    assert (found.sqlite, found.mongodb_uri) == (tmp_path / "livestream.sqlite3", "")


def test_two_machines_of_one_name_are_told_apart_by_what_setup_wrote(tmp_path: Path) -> None:
    name = env.read().host
    (tmp_path / "host-id").write_text("ab12cd34\n")
    assert env.read().host == f"{name}-ab12cd34"


@pytest.mark.parametrize("damaged", ["", "two words", "AB12CD34", "a:b12cd3"])
def test_a_host_s_id_that_is_damaged_is_refused(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "host-id").write_text(damaged)
    with pytest.raises(ImproperlyConfigured, match="host-id is damaged"):
        env.read()


def test_there_is_no_default_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        env.need_secret_key(env.read())


@pytest.mark.parametrize("name", ["DEBUG", "LIVESTREAM_HTTPS"])
def test_a_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "maybe")
    with pytest.raises(ImproperlyConfigured, match=name):
        env.read()


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESTREAM_OPEN_INGEST", "everybody")
    with pytest.raises(ImproperlyConfigured, match="off or loopback"):
        env.read()


def test_the_older_public_names_are_read_and_the_newer_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXT_PUBLIC_HLS_URL", "http://old.example/hls/")
    assert env.read().public_hls_url == "http://old.example/hls"
    monkeypatch.setenv("PUBLIC_HLS_URL", "http://new.example")
    assert env.read().public_hls_url == "http://new.example/hls"


@pytest.mark.parametrize("url", ["wss://live.example", "wss://live.example/ws/"])
def test_a_public_address_is_taken_with_its_path_and_without(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PUBLIC_WS_URL", url)
    assert env.read().public_ws_url == "wss://live.example/ws"


def test_the_file_gives_way_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "env").write_text("LIVESTREAM_BIND=0.0.0.0\nTZ=Europe/Berlin\n")
    monkeypatch.setenv("LIVESTREAM_BIND", "127.0.0.2")
    found = env.read()
    assert (found.bind, found.time_zone) == ("127.0.0.2", "Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVESTREAM_FFMPEG_NICE", "20"),
        ("LIVESTREAM_FFMPEG_NICE", "-5"),
        ("LIVESTREAM_FFMPEG_MEMORY", "4G"),
        ("LIVESTREAM_CPU_SHARE", "90"),
        ("LIVESTREAM_RTMP_PER_ADDRESS", "65536"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        env.read()


def test_sentinels_without_a_port_that_is_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_SENTINELS", "127.0.0.1:26379,127.0.0.2:x")
    with pytest.raises(ImproperlyConfigured, match=r"REDIS_SENTINELS: .* write host:port"):
        env.read()


@pytest.mark.parametrize(
    ("bind", "processes", "found"),
    [
        ("10.77.0.20", "web beat edge", ["10.77.0.20/32"]),
        ("10.77.0.20", "web beat", []),
        ("0.0.0.0", "web edge", []),
        ("", "web edge", []),
    ],
)
def test_an_edge_beside_the_web_comes_from_where_that_listens(
    monkeypatch: pytest.MonkeyPatch, bind: str, processes: str, found: list[str]
) -> None:
    monkeypatch.setenv("LIVESTREAM_BACKEND_BIND", bind)
    monkeypatch.setenv("LIVESTREAM_PROCESSES", processes)
    assert [str(edge) for edge in env.read().trusted_edges] == found


def test_an_edge_that_is_no_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESTREAM_TRUSTED_EDGE", "172.20.0.0/16, edge")
    with pytest.raises(ImproperlyConfigured, match=r"LIVESTREAM_TRUSTED_EDGE: 'edge'"):
        env.read()


def test_every_variable_is_in_the_example() -> None:
    example = (env.ROOT / "deploy" / "env.example").read_text()
    source = (env.ROOT / "livestream" / "env.py").read_text()
    names = {part.split('"')[0] for part in source.split('"') if part.isupper() and len(part) > 1}
    names |= {f"{name}_FILE" for name in re.findall(r'read_secret\("(\w+)"', source)}
    assert {"SECRET_KEY_FILE", "PUBLIC_HLS_URL", "REDIS_URL"} <= names
    for name in names:
        assert name in example, f"{name} is missing in deploy/env.example"
