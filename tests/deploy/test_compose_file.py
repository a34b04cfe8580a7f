"""The Dockerfiles and the compose file, as far as they can be judged without an engine, and the
settings and secrets that app.sh makes for them."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.acceptance.containers import COMPOSE_FILE, config, docker, has_compose
from tests.acceptance.stack import APP
from tests.deploy.installation import ROOT

DOCKERFILES = [ROOT / "deploy/Dockerfile", *sorted(ROOT.glob("tests/stand_ins/*/Dockerfile"))]
needs_compose = pytest.mark.skipif(
    not has_compose(), reason="there is no `docker compose` on the PATH (or in DOCKER_CONFIG)"
)


def prepare(var: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(APP), "docker", "prepare", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "LIVESTREAM_VAR": str(var),
            "LIVESTREAM_DOCKER_ENV": str(var / "settings"),
            **variables,
        },
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def settings(var: Path) -> dict[str, str]:
    lines = (var / "settings").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    found = subprocess.run(
        [f"{sys.prefix}/bin/hadolint", "--no-color", file], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr


def test_every_word_of_the_compose_file_is_one_that_compose_knows() -> None:
    checked = subprocess.run(
        [f"{sys.prefix}/bin/check-jsonschema", "--builtin-schema", "vendor.compose-spec",
         COMPOSE_FILE],
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


@needs_compose
def test_compose_itself_finds_nothing() -> None:
    checked = docker(
        "compose", "-f", str(COMPOSE_FILE), "config", "--quiet", LIVESTREAM_SECRETS="/nowhere"
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@needs_compose
def test_without_secrets_compose_says_what_to_call() -> None:
    refused = docker("compose", "-f", str(COMPOSE_FILE), "--env-file", os.devnull, "up")
    assert refused.returncode != 0
    assert "./deploy/app.sh docker prepare" in refused.stderr


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """As they are written, where no docker compose is needed to read them."""
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE_FILE)["services"]
    return found


def test_every_service_is_bounded_and_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["init"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        assert service["logging"]["options"]["max-size"], name
        # The one that prepares the stores ends, and is waited for.
        assert name == "setup" or service["healthcheck"]["test"], name
        assert name == "setup" or service["stop_grace_period"], name


@needs_compose
def test_ports_are_published_on_loopback_until_asked_otherwise() -> None:
    def published(services: dict[str, Any]) -> dict[str, str]:
        ports = [port for service in services.values() for port in service.get("ports", [])]
        return {port["published"]: port["host_ip"] for port in ports}

    assert published(config()["services"]) == dict.fromkeys(("3000", "8080", "1935"), "127.0.0.1")
    open_to_all = published(
        config(LIVESTREAM_BIND="0.0.0.0", LIVESTREAM_RTMP_PORT="1936")["services"]
    )
    assert open_to_all == dict.fromkeys(("3000", "8080", "1936"), "0.0.0.0")
    rtmp_alone = published(config(LIVESTREAM_RTMP_BIND="0.0.0.0")["services"])
    assert rtmp_alone == {"3000": "127.0.0.1", "8080": "127.0.0.1", "1935": "0.0.0.0"}


def test_who_needs_no_secret_gets_none(services: dict[str, Any]) -> None:
    given = {name: set(service.get("secrets", [])) for name, service in services.items()}
    assert (given["origin"], given["edge"]) == (set(), set())
    assert given["ingest"] == {"ingest_secret"}
    assert {name for name, service in services.items() if "ports" in service} == {"ingest", "edge"}
    knowing = {name for name, secrets in given.items() if "mongodb_root_password" in secrets}
    assert knowing == {"mongodb", "setup"}


def test_prepare_makes_secrets_that_differ_and_nobody_else_may_reach(tmp_path: Path) -> None:
    done = prepare(tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "secrets"
    assert settings(tmp_path)["LIVESTREAM_SECRETS"] == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    words = [re.findall(r"[A-Za-z0-9]{32,}", file.read_text()) for file in folder.iterdir()]
    assert sorted(map(len, words)) == [1] * 6
    # Redis's password is in two of them: for the server, and for those who ask it.
    assert len({word for (word,) in words}) == 5
    assert not any(word in done.stdout + done.stderr for (word,) in words)


def test_prepare_again_changes_nothing_and_mends_half_a_pair(tmp_path: Path) -> None:
    def read() -> dict[str, str]:
        return {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}

    prepare(tmp_path)
    before = read()
    prepare(tmp_path)
    assert read() == before
    (tmp_path / "secrets/redis.conf").unlink()
    prepare(tmp_path)
    after = read()
    assert after["redis.conf"].removeprefix("requirepass ").strip() in after["redis_url"]
    assert after["mongodb_uri"] == before["mongodb_uri"]


def test_prepare_keeps_settings_and_refuses_others(tmp_path: Path) -> None:
    prepare(tmp_path, LIVESTREAM_WEB_PORT="3100")
    assert settings(tmp_path)["LIVESTREAM_WEB_PORT"] == "3100"
    refused = prepare(tmp_path, LIVESTREAM_WEB_PORT="3200")
    assert refused.returncode == 1
    assert "LIVESTREAM_WEB_PORT=3200" in refused.stderr
    assert settings(tmp_path)["LIVESTREAM_WEB_PORT"] == "3100"


def test_with_a_domain_the_https_server_of_this_machine_is_believed(tmp_path: Path) -> None:
    prepare(tmp_path, "--domain", "live.example.org")
    found = settings(tmp_path)
    assert found["LIVESTREAM_HTTPS"] == "true"
    assert found["ALLOWED_HOSTS"] == "live.example.org"
    assert found["LIVESTREAM_TRUSTED_PROXY"] == "172.30.47.1"


def test_every_setting_that_is_kept_is_one_that_compose_reads() -> None:
    script = (ROOT / "deploy/sh/docker.sh").read_text()
    kept = set(re.search(r'KEPT_BY_DOCKER="([^"]*)"', script)[1].split())  # type: ignore[index]
    read = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    assert kept == read - {"LIVESTREAM_SECRETS"}
