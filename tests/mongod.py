"""A pytest plugin: with TEST_DB=mongo, all tests run on a private MongoDB on a free loopback port.

Like tests/redis_server.py it works at import, because Django reads its settings before any fixture
runs. The server comes from a Python package, for tests only (see deploy/sh/tests.sh); MONGOD names
another one.
"""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

PROGRAM = os.environ.get("MONGOD") or f"{sys.prefix}/mongod/fiftyone/db/bin/mongod"
# Databases of tests are small and thrown away; memory is the quickest place for them.
MEMORY = Path("/dev/shm")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Mongod:
    """A server with a data folder of its own. `start` may be called again after it was killed."""

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ls-mongod-", dir=MEMORY))
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Mongod":
        """Return once it answers."""
        self.process = subprocess.Popen(
            [PROGRAM, "--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket",
             "--dbpath", str(self.folder), "--logpath", f"{self.folder}/log", "--logappend",
             "--wiredTigerCacheSizeGB", "0.25",
             "--setParameter", "diagnosticDataCollectionEnabled=false",
             "--setParameter", "enableTestCommands=1", *self._arguments],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text()[-2000:]
                raise RuntimeError(f"{PROGRAM} did not start:\n{log}")
        return self

    def answers(self) -> bool:
        client: MongoClient[dict[str, object]] = MongoClient(
            self.address, directConnection=True, serverSelectionTimeoutMS=200
        )
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        finally:
            client.close()
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_mongod(*arguments: str) -> Mongod:
    """A server that ends with the tests."""
    server = Mongod(*arguments)
    atexit.register(server.remove)
    return server.start()


@cache
def client() -> MongoClient[dict[str, Any]]:
    """Of the server of the tests. Its database of an installation is named by `name_of`."""
    assert SERVER is not None
    shared: MongoClient[dict[str, Any]] = MongoClient(SERVER.address)
    atexit.register(shared.close)
    return shared


def name_of(var: Path) -> str:
    """The database of the installation with this state folder."""
    return var.name.replace(".", "-")


def uri_for(var: Path) -> str:
    """What MONGODB_URI is there: empty on SQLite."""
    return f"mongodb://{SERVER.address}/{name_of(var)}" if SERVER is not None else ""


@contextmanager
def failing(command: str, **how: object) -> Iterator[None]:
    """The server's next answer to this command: `failCommand` of its own test commands."""
    data = {"failCommands": [command], **how}
    fail = {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data}
    client().admin.command(fail)
    try:
        yield
    finally:
        client().admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def drop(var: Path) -> None:
    """Remove what the installation stored on MongoDB; its state folder is somebody else's."""
    if SERVER is not None:
        client().drop_database(name_of(var))


SERVER: Mongod | None = None
ON_MONGODB = os.environ.get("TEST_DB", "sqlite") == "mongo"
if ON_MONGODB:
    SERVER = start_mongod()
# Not those of the installation at hand, either.
os.environ["MONGODB_URI"] = f"mongodb://{SERVER.address}/livestream" if SERVER is not None else ""
os.environ["MONGODB_NAME"] = os.environ["LIVESTREAM_SQLITE"] = ""
