"""`manage.py snapshot > FILE`: the SQLite database as it is at one moment, while others write."""

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection


class Command(BaseCommand):
    help = (
        "Write a copy of the SQLite database to standard output, for a backup. Nothing has to be "
        "stopped for it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError("The database is MongoDB. Use dumpdata, or MongoDB's own mongodump.")
        if sys.stdout.isatty():
            raise CommandError("Say where to: snapshot > FILE")
        file = Path(connection.settings_dict["NAME"])
        # Beside it, where there is room for it and its user may write.
        with TemporaryDirectory(dir=file.parent, prefix="snapshot-") as folder:
            copy = Path(folder) / file.name
            with closing(sqlite3.connect(file)) as database:
                database.execute("VACUUM INTO ?", [str(copy)])
            with copy.open("rb") as source:
                shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.buffer.flush()
