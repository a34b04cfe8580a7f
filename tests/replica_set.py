"""A MongoDB replica set of three on loopback, whose members can be killed and frozen."""

import time
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.mongod import Mongod

NAME = "livestream"
MEMBERS = 3
# Seconds a primary may be silent; MongoDB's own default is ten.
ELECTION = 2.0
PATIENCE = 60.0


class ReplicaSet:
    def __init__(self) -> None:
        self.members = [Mongod("--replSet", NAME) for _ in range(MEMBERS)]
        self._client: MongoClient[dict[str, Any]] | None = None

    @property
    def uri(self) -> str:
        """Without a database."""
        hosts = ",".join(member.address for member in self.members)
        return f"mongodb://{hosts}/?replicaSet={NAME}"

    def uri_of(self, database: str) -> str:
        return self.uri.replace("/?", f"/{database}?")

    def start(self) -> "ReplicaSet":
        """One member first and the others after it: three at once take an election's time."""
        for member in self.members:
            member.start()
        config: dict[str, Any] = {
            "_id": NAME,
            "version": 1,
            "settings": {"electionTimeoutMillis": int(ELECTION * 1000)},
            "members": [{"_id": 0, "host": self.members[0].address}],
        }
        with MongoClient[dict[str, Any]](self.members[0].address, directConnection=True) as first:
            first.admin.command("replSetInitiate", config)
            _until(lambda: first.admin.command("hello")["isWritablePrimary"], "a primary")
            for number, member in enumerate(self.members[1:], start=1):
                config["version"] = number + 1
                config["members"].append({"_id": number, "host": member.address})
                first.admin.command("replSetReconfig", config)
                _until(lambda: self._secondaries(first) == number, "a secondary")  # noqa: B023
        return self

    @staticmethod
    def _secondaries(client: MongoClient[dict[str, Any]]) -> int:
        members = client.admin.command("replSetGetStatus")["members"]
        return sum(member["stateStr"] == "SECONDARY" for member in members)

    def client(self) -> MongoClient[dict[str, Any]]:
        """Reads what a majority has: that cannot be taken back."""
        if self._client is None:
            self._client = MongoClient(self.uri, readConcernLevel="majority")
        return self._client

    def primary(self) -> Mongod:
        """The member that takes writes now, as the others see it too."""

        def find() -> Mongod | None:
            for member in self.members:
                if member.process is None:
                    continue
                with MongoClient[dict[str, Any]](
                    member.address, directConnection=True, serverSelectionTimeoutMS=500,
                    socketTimeoutMS=500,
                ) as client:  # fmt: skip
                    try:
                        if client.admin.command("hello")["isWritablePrimary"]:
                            return member
                    except PyMongoError:
                        continue
            return None

        found: Mongod = _until(find, "a primary")
        return found

    def remove(self) -> None:
        if self._client is not None:
            self._client.close()
        for member in self.members:
            member.remove()


def _until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no {what} within {PATIENCE} s")
        time.sleep(0.05)
    return found
