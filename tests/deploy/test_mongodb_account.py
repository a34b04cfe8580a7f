"""The product's user in MongoDB: made on a real mongod that wants passwords, with no more rights
than it needs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.deploy.installation import ROOT
from tests.mongod import Mongod

ROOT_PASSWORD = "of-the-administrator"


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    mongod = Mongod("--auth")
    try:
        mongod.start()
        client: MongoClient[dict[str, object]] = MongoClient(mongod.address)
        roles = [{"role": "root", "db": "admin"}]
        client.admin.command("createUser", "root", pwd=ROOT_PASSWORD, roles=roles)
        client.close()
        yield mongod
    finally:
        mongod.remove()


def uri(server: Mongod, password: str) -> str:
    return f"mongodb://livestream:{password}@{server.address}/livestream"


def make(folder: Path, uri: str, root: str = ROOT_PASSWORD) -> subprocess.CompletedProcess[str]:
    (folder / "root").write_text(root)
    (folder / "uri").write_text(uri)
    return subprocess.run(
        [sys.executable, "-m", "deploy.mongodb_account"], cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "LIVESTREAM_VAR": str(folder),
            "MONGODB_URI_FILE": str(folder / "uri"),
            "MONGODB_ROOT_PASSWORD_FILE": str(folder / "root"),
        },
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def works(uri: str) -> bool:
    client: MongoClient[dict[str, object]] = MongoClient(uri)
    try:
        client.get_default_database()["things"].insert_one({"name": "it"})
    except OperationFailure:
        return False
    finally:
        client.close()
    return True


def test_the_user_is_made_and_may_use_its_database_alone(server: Mongod, tmp_path: Path) -> None:
    assert not works(uri(server, "first"))
    assert make(tmp_path, uri(server, "first")).returncode == 0
    assert works(uri(server, "first"))
    client: MongoClient[dict[str, object]] = MongoClient(uri(server, "first"))
    try:
        with pytest.raises(OperationFailure):
            client["another"]["things"].insert_one({})
        with pytest.raises(OperationFailure):
            client.admin.command("usersInfo")
    finally:
        client.close()


def test_again_it_gets_the_password_of_the_uri(server: Mongod, tmp_path: Path) -> None:
    for password in ("first", "first", "second"):
        made = make(tmp_path, uri(server, password))
        assert made.returncode == 0, made.stderr
    assert works(uri(server, "second"))
    assert not works(uri(server, "first"))


def test_a_wrong_administrator_is_told_and_no_password_shown(
    server: Mongod, tmp_path: Path
) -> None:
    refused = make(tmp_path, uri(server, "hidden-one"), root="hidden-two")
    assert refused.returncode == 1
    assert "mongodb_root_password" in refused.stderr
    assert "hidden" not in refused.stderr


@pytest.mark.parametrize(
    "wrong", ["mongodb://10.0.0.1/livestream", "mongodb://u:hidden@10.0.0.1/", "hidden"]
)
def test_a_uri_that_names_no_user_or_database_is_refused(tmp_path: Path, wrong: str) -> None:
    refused = make(tmp_path, wrong)
    assert refused.returncode == 1
    assert "MONGODB_URI" in refused.stderr
    assert "hidden" not in refused.stderr
