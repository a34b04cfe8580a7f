"""Configurations: complete, private, and accepted by the real nginx and Redis."""

import subprocess
from pathlib import Path

import pytest

from deploy.render import fill
from tests.deploy.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_placeholder_without_a_value_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"%\{port\}"):
        fill("listen %{port};", {})


def test_nginx_variables_are_left_alone() -> None:
    assert fill("return 200 $uri%{end}", {"end": ";"}) == "return 200 $uri;"


@pytest.mark.parametrize("names", [["ingest.conf"], ["live.conf", "edge.conf"]])
@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
def test_nginx_accepts_what_is_rendered(tmp_path: Path, names: list[str], bind: str) -> None:
    place = Installation(tmp_path, LIVESTREAM_BIND=bind, LIVESTREAM_TRUSTED_PROXY="10.0.0.0/8,::1")
    assert place.run("deploy.render", *names).returncode == 0
    check = subprocess.run(
        ["nginx", "-t", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "conf" / names[-1]],
        capture_output=True, text=True,
    )  # fmt: skip
    assert check.returncode == 0, check.stderr
    assert "[warn]" not in check.stderr


def test_only_the_owner_may_read_what_is_rendered(installation: Installation) -> None:
    installation.run("deploy.render", "ingest.conf")
    rendered = installation.var / "conf/ingest.conf"
    assert rendered.stat().st_mode & 0o777 == 0o600
    assert installation.secret in rendered.read_text()


def test_a_value_that_would_leave_its_quotes_is_refused(tmp_path: Path) -> None:
    place = Installation(tmp_path, LIVESTREAM_INGEST_NODE='a"; load_module x; "')
    run = place.run("deploy.render", "ingest.conf")
    assert run.returncode != 0
    assert "ingest_node" in run.stderr


def test_an_ingest_without_a_secret_is_refused(tmp_path: Path) -> None:
    run = Installation(tmp_path, LIVESTREAM_INGEST_SECRET="").run("deploy.render", "ingest.conf")
    assert run.returncode != 0
    assert "app.sh setup" in run.stderr


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    run = Installation(tmp_path, LIVESTREAM_WEB_PORT="80a").run("deploy.render", "edge.conf")
    assert run.returncode != 0
    assert "LIVESTREAM_WEB_PORT" in run.stderr


def test_redis_gets_the_password_of_its_url(tmp_path: Path) -> None:
    place = Installation(tmp_path, REDIS_URL="redis://:open%20sesame@localhost:6400/2")
    assert place.run("deploy.render", "redis.conf").returncode == 0
    lines = (tmp_path / "conf/redis.conf").read_text().splitlines()
    assert {'bind "127.0.0.1"', "port 6400", 'requirepass "open sesame"'} <= set(lines)


def test_an_edge_needs_no_secret(tmp_path: Path) -> None:
    place = Installation(tmp_path, LIVESTREAM_INGEST_SECRET="", SECRET_KEY="")
    assert place.run("deploy.render", "live.conf", "edge.conf").returncode == 0


def test_the_origin_may_be_on_another_host(tmp_path: Path) -> None:
    place = Installation(tmp_path, LIVESTREAM_ORIGIN="10.1.2.3:9001")
    assert place.run("deploy.render", "live.conf", "edge.conf").returncode == 0
    assert 'server "10.1.2.3:9001"' in (tmp_path / "conf/edge.conf").read_text()


def test_a_password_that_only_redis_needs_stops_no_edge(tmp_path: Path) -> None:
    place = Installation(tmp_path, REDIS_URL="redis://:hunter%242%3Bx@10.0.0.5:6379/0")
    assert place.run("deploy.render", "ingest.conf", "edge.conf").returncode == 0


@pytest.mark.parametrize(
    ("config", "variables"),
    [
        ("redis.conf", {"REDIS_URL": "redis://:hunter%242%3Bx@localhost:6379/0"}),
        ("ingest.conf", {"LIVESTREAM_INGEST_SECRET": "hunter$2;x"}),
    ],
)
def test_a_secret_that_cannot_stand_in_a_config_is_not_shown(
    tmp_path: Path, config: str, variables: dict[str, str]
) -> None:
    run = Installation(tmp_path, **variables).run("deploy.render", config)
    assert run.returncode != 0
    assert "has a character" in run.stderr
    assert "hunter" not in run.stderr + run.stdout


def test_a_store_without_a_secret_is_refused(tmp_path: Path) -> None:
    place = Installation(tmp_path, LIVESTREAM_INGEST_SECRET="", LIVESTREAM_STORE="127.0.0.1:8092")
    run = place.run("deploy.render", "edge.conf")
    assert run.returncode != 0
    assert "LIVESTREAM_INGEST_SECRET" in run.stderr
