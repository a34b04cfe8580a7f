"""The record of an installation under test, read and bent past Django."""

import os
import signal
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests import mongod

Row = dict[str, Any]


class Record(ABC):
    """`table` is a model's, without its application's name: broadcast, run, event, stream."""

    @abstractmethod
    def rows(self, table: str, **columns: object) -> list[Row]:
        """Those that have these values."""

    @abstractmethod
    def change(self, table: str, where: Row, **columns: object) -> None: ...

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Nobody gets anything done with the database meanwhile."""

    def broadcasts(self, stream: str) -> list[Row]:
        """Newest first."""
        found = self.rows("stream", name=stream)
        rows = self.rows("broadcast", stream_id=found[0]["_id"]) if found else []
        return sorted(rows, key=lambda row: row["started_at"], reverse=True)

    def open_broadcast(self, stream: str) -> Row | None:
        return next((row for row in self.broadcasts(stream) if row["open_key"]), None)

    def runs(self, stream: str) -> list[Row]:
        """Of its newest broadcast, newest first."""
        broadcasts = self.broadcasts(stream)
        rows = self.rows("run", broadcast_id=broadcasts[0]["_id"]) if broadcasts else []
        return sorted(rows, key=lambda row: row["number"], reverse=True)

    def events(self, stream: str) -> list[str]:
        """The timeline of its newest broadcast: `kind: text`, oldest first."""
        broadcasts = self.broadcasts(stream)
        rows = self.rows("event", broadcast_id=broadcasts[0]["_id"]) if broadcasts else []
        return [f"{row['kind']}: {row['text']}" for row in sorted(rows, key=lambda r: r["at"])]


class SqliteRecord(Record):
    def __init__(self, var: Path) -> None:
        self._file = var / "livestream.sqlite3"

    def rows(self, table: str, **columns: object) -> list[Row]:
        condition = " AND ".join(["1", *(f"{column} = ?" for column in columns)])
        with closing(self._connect()) as connection:
            connection.row_factory = sqlite3.Row
            statement = f"SELECT * FROM streams_{table} WHERE {condition}"
            return [dict(row) for row in connection.execute(statement, tuple(columns.values()))]

    def change(self, table: str, where: Row, **columns: object) -> None:
        values = ", ".join(f"{column} = ?" for column in columns)
        condition = " AND ".join(f"{column} = ?" for column in where)
        with closing(self._connect()) as connection, connection:
            changed = connection.execute(
                f"UPDATE streams_{table} SET {values} WHERE {condition}",
                (*map(_adapted, columns.values()), *where.values()),
            )
            assert changed.rowcount == 1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """None who opens the file anew even reads."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            try:
                yield
            finally:
                connection.rollback()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=30, isolation_level=None)


def _adapted(value: object) -> object:
    return str(value) if isinstance(value, datetime) else value  # as Django writes it


class MongoRecord(Record):
    def __init__(self, database: Any) -> None:
        self._database = database

    def rows(self, table: str, **columns: object) -> list[Row]:
        return list(self._database[f"streams_{table}"].find(columns))

    def change(self, table: str, where: Row, **columns: object) -> None:
        changed = self._database[f"streams_{table}"].update_one(where, {"$set": columns})
        assert changed.matched_count == 1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The server stands still: it takes connections, and answers none."""
        assert mongod.SERVER is not None
        assert mongod.SERVER.process is not None
        pid = mongod.SERVER.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def record_of(var: Path) -> Record:
    """Of the installation with this state folder."""
    if mongod.ON_MONGODB:
        return MongoRecord(mongod.client()[mongod.name_of(var)])
    return SqliteRecord(var)
