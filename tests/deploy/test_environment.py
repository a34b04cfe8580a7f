"""The env file: written once, private, complete, and never overwritten."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installation import ROOT

SCRIPT = """
set -euo pipefail
source deploy/sh/say.sh; source deploy/sh/environment.sh
LIVESTREAM_VAR=$1; ENV_FILE=$1/env
# Whatever runs on the machine of the tests.
port_answers() { [ "$1:${REDIS_RUNS-}" = 6379:yes ]; }
write_environment "$2"; make_host_id; choose_run_folder; echo "run=$LIVESTREAM_RUN"
"""


def write(var: Path, domain: str = "", **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", SCRIPT, "_", str(var), domain],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **given}, capture_output=True, text=True,
    )  # fmt: skip


def values(var: Path) -> dict[str, str]:
    lines = (var / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_secrets_are_made_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    assert write(tmp_path).returncode == 0
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"[A-Za-z0-9]{64}", values(tmp_path)["SECRET_KEY"])
    assert len(values(tmp_path)["LIVESTREAM_INGEST_SECRET"]) == 48
    assert values(tmp_path)["LIVESTREAM_OPEN_INGEST"] == "loopback"


def test_a_redis_of_our_own_gets_a_password(tmp_path: Path) -> None:
    assert write(tmp_path).returncode == 0
    assert re.fullmatch(
        r"redis://:[A-Za-z0-9]{32}@127\.0\.0\.1:6379/0", values(tmp_path)["REDIS_URL"]
    )


@pytest.mark.parametrize(
    "given",
    [
        {"REDIS_RUNS": "yes"},
        {"REDIS_URL_FILE": "/run/secrets/redis_url"},
        {"REDIS_SENTINELS": "10.0.0.1:26379"},
        {"LIVESTREAM_PROCESSES": "ingest edge"},
    ],
)
def test_another_redis_is_taken_as_it_is(tmp_path: Path, given: dict[str, str]) -> None:
    assert write(tmp_path, **given).returncode == 0
    assert "REDIS_URL" not in values(tmp_path)


def test_a_second_setup_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "env").read_bytes()
    assert write(tmp_path).returncode == 0
    assert (tmp_path / "env").read_bytes() == before


def test_a_host_gets_an_id_once_and_no_other_host_the_same(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        write(tmp_path / name)
        ids.append((tmp_path / name / "host-id").read_text())
    assert re.fullmatch(r"[a-z0-9]{8}", ids[0])
    assert ids[0] == ids[1] != ids[2]


def test_root_writes_it_through_no_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    (tmp_path / "host-id").symlink_to(elsewhere)
    write(tmp_path)
    assert elsewhere.read_text() == ""
    assert not (tmp_path / "host-id").is_symlink()


def test_variables_given_to_setup_are_kept(tmp_path: Path) -> None:
    write(tmp_path, LIVESTREAM_WEB_PORT="3100", REDIS_URL="redis://:a#b=c@127.0.0.1:6400/0")
    kept = values(tmp_path)
    assert kept["LIVESTREAM_WEB_PORT"] == "3100"
    assert kept["REDIS_URL"] == "redis://:a#b=c@127.0.0.1:6400/0"


def test_a_refused_domain_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, ALLOWED_HOSTS="other")
    before = (tmp_path / "env").read_bytes()
    refused = write(tmp_path, domain="live.example.org")
    assert refused.returncode == 1
    assert "ALLOWED_HOSTS=live.example.org" in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"env", "host-id"}
    assert (tmp_path / "env").read_bytes() == before


def test_a_call_that_contradicts_itself_writes_nothing(tmp_path: Path) -> None:
    refused = write(tmp_path, domain="live.example.org", LIVESTREAM_OPEN_INGEST="loopback")
    assert refused.returncode == 1
    assert "LIVESTREAM_OPEN_INGEST=off" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_domain_ends_the_local_trial_and_keeps_the_secrets(tmp_path: Path) -> None:
    write(tmp_path)
    trial = values(tmp_path)
    assert write(tmp_path, domain="live.example.org").returncode == 0
    public = values(tmp_path)
    assert public["LIVESTREAM_OPEN_INGEST"] == "off"
    assert public["ALLOWED_HOSTS"] == "live.example.org"
    assert public["SECRET_KEY"] == trial["SECRET_KEY"]
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "env").read_bytes()
    assert write(tmp_path).returncode == 0
    assert (tmp_path / "env").read_bytes() == before


def test_a_path_too_long_for_a_socket_gets_a_short_run_folder(tmp_path: Path) -> None:
    var = tmp_path / ("a" * 90)
    var.mkdir()
    first = write(var).stdout
    run = values(var)["LIVESTREAM_RUN"]
    try:
        assert len(run) < 40
        assert values(var)["LIVESTREAM_INGEST_URL"] == f"unix:{run}/ingest.sock"
        assert write(var).stdout == first
    finally:
        Path(run).rmdir()


def test_a_public_server_s_values_pass_django_s_deployment_check(tmp_path: Path) -> None:
    assert write(tmp_path, domain="live.example.org").returncode == 0
    check = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "LIVESTREAM_VAR": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert check.returncode == 0, check.stderr


def test_the_example_lists_every_variable_that_is_read() -> None:
    listed = set(re.findall(r"^([A-Z_]+)=", _text("deploy/env.example"), re.M))
    reader = r'(?:env\.\w+|environ\.get|_[a-z]+)\((?:env, )?"([A-Z_]+)"'
    read = set(re.findall(reader, _text("livestream/env.py")))
    kept = set(_text("deploy/sh/environment.sh").split('KEPT="')[1].split('"')[0].split())
    asked = set(re.findall(r"setting ([A-Z_]+)", _text("deploy/sh/process.sh")))
    public = set(re.findall(r'_public\(env, "([A-Z_]+)"', _text("livestream/env.py")))
    assert {"SECRET_KEY", "DEBUG", "TZ"} <= read
    assert len(public) == 3
    assert public | {f"NEXT_{name}" for name in public} <= kept
    assert read | kept | asked <= listed


def _text(path: str) -> str:
    return (ROOT / path).read_text()


def test_no_secret_is_made_where_a_file_holds_it(tmp_path: Path) -> None:
    assert write(tmp_path, SECRET_KEY_FILE="/run/secrets/key").returncode == 0
    assert values(tmp_path)["SECRET_KEY_FILE"] == "/run/secrets/key"
    assert "SECRET_KEY" not in values(tmp_path)
    assert "LIVESTREAM_INGEST_SECRET" in values(tmp_path)
