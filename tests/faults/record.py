"""The record of an installation under test, read and bent past Django: its SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Record:
    def __init__(self, var: Path) -> None:
        self._file = var / "livestream.sqlite3"

    def rows(self, statement: str, *values: object) -> list[Row]:
        with closing(self._connect()) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def change(self, statement: str, *values: object) -> int:
        """How many rows it changed."""
        with closing(self._connect()) as connection, connection:
            return connection.execute(statement, values).rowcount

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and none who opens the file anew reads."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            try:
                yield
            finally:
                connection.rollback()

    def broadcasts(self, stream: str) -> list[Row]:
        """Newest first."""
        return self.rows(
            "SELECT b.* FROM streams_broadcast b JOIN streams_stream s ON s._id = b.stream_id "
            "WHERE s.name = ? ORDER BY b.started_at DESC",
            stream,
        )

    def open_broadcast(self, stream: str) -> Row | None:
        return next((row for row in self.broadcasts(stream) if row["open_key"]), None)

    def runs(self, stream: str) -> list[Row]:
        """Of its newest broadcast, newest first."""
        broadcasts = self.broadcasts(stream)
        if not broadcasts:
            return []
        return self.rows(
            "SELECT * FROM streams_run WHERE broadcast_id = ? ORDER BY number DESC",
            broadcasts[0]["_id"],
        )

    def events(self, stream: str) -> list[str]:
        """The timeline of its newest broadcast: `kind: text`, oldest first."""
        broadcasts = self.broadcasts(stream)
        if not broadcasts:
            return []
        found = self.rows(
            "SELECT kind, text FROM streams_event WHERE broadcast_id = ? ORDER BY at",
            broadcasts[0]["_id"],
        )
        return [f"{row['kind']}: {row['text']}" for row in found]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=30, isolation_level=None)
