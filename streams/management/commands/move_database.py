"""`manage.py move_database --to URI`: all data into another database, from SQLite to MongoDB or
back."""

import json
import os
import signal
import subprocess
import sys
from argparse import SUPPRESS
from collections import Counter
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from streams import transfer
from streams.models import Broadcast

ROOT = Path(__file__).resolve().parents[3]
READY = "ready"


class Command(BaseCommand):
    help = (
        "Copy everything into an empty database: mongodb://USER:PASSWORD@HOST/NAME, or the path of "
        "a SQLite file. Keys stay as they are. This database is only read. Stop the installation "
        "first; what to do next is said at the end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to",
            metavar="URI",
            help="Where to. - reads it from standard input: a password in a command line can be "
            "seen by everybody on this machine.",
        )
        # What this command calls in the other database's environment.
        parser.add_argument("--receive", action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, to: str | None, receive: bool, **options: Any) -> None:
        if receive:
            _receive()
            return
        if not to:
            raise CommandError("Say where to: --to mongodb://HOST/NAME, or --to FILE.sqlite3.")
        target = _environment(_asked() if to == "-" else to)
        if Broadcast.objects.filter(open_key__isnull=False).exists():
            raise CommandError(
                "Something is on air, and would go on in this database. Stop it: "
                "./deploy/app.sh stop"
            )
        moved = _send(target)
        for label, number in moved.sent.items():
            self.stdout.write(f"{number:9} {label}")
        for label, number in moved.orphans.items():
            self.stdout.write(f"{number:9} {label} left out: what they belong to is deleted")
        self.stdout.write(_what_next(target))


def _asked() -> str:
    """Not shown while it is typed."""
    if sys.stdin.isatty():
        return getpass("The other database's address: ").strip()
    return sys.stdin.readline().strip()


def _environment(to: str) -> dict[str, str]:
    """What the other database's processes have in their environment."""
    if to.startswith(("mongodb://", "mongodb+srv://")):
        target = {"MONGODB_URI": to}
    elif "://" in (path := to.removeprefix("sqlite://")) or not path:
        raise CommandError("--to takes mongodb://…, mongodb+srv://…, or the path of a SQLite file.")
    else:
        file = str(Path(path).resolve())
        target = {"MONGODB_URI": "", "LIVESTREAM_SQLITE": file}
    here = connection.settings_dict
    if str(here["NAME"]) == target.get("LIVESTREAM_SQLITE") or here.get("HOST") == to:
        raise CommandError("That is the database in use.")
    # Of the database in use.
    return target | {"MONGODB_URI_FILE": "", "MONGODB_NAME": ""}


def _send(target: dict[str, str]) -> transfer.Sender:
    """Have another process store everything: models have other keys on the other database."""
    sender, arrived = transfer.Sender(), dict[str, int]()
    # It may end in the middle; what it was not sent yet breaks the pipe again when that is closed.
    with suppress(BrokenPipeError), subprocess.Popen(
        [sys.executable, "-m", "django", "move_database", "--receive"],
        cwd=ROOT, env=os.environ | target, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as receiver:  # fmt: skip
        assert receiver.stdin is not None
        assert receiver.stdout is not None
        if receiver.stdout.readline().strip() != READY:
            raise CommandError("Nothing was moved; why is said above.")
        sender.write(receiver.stdin)
        receiver.stdin.close()
        arrived = json.loads(receiver.stdout.read() or "{}")
    if receiver.returncode < 0:
        name = signal.Signals(-receiver.returncode).name
        raise CommandError(
            f"Not everything was moved: {name} ended the process that stored it. {EMPTY_IT}"
        )
    if not arrived:
        raise CommandError(f"Not everything was moved; why is said above. {EMPTY_IT}")
    _compare(sender, transfer.count(), arrived)
    return sender


EMPTY_IT = "Empty that database, or name another one, before you try again."


def _compare(sender: transfer.Sender, here: dict[str, int], arrived: dict[str, int]) -> None:
    """Nothing may have been lost, and nothing have changed meanwhile."""
    expected = Counter(here)
    expected.subtract(sender.orphans)
    wrong = [
        f"{label}: {expected[label]} here, {arrived.get(label, 0)} there"
        for label in here
        if expected[label] != arrived.get(label, 0)
    ]
    if wrong:
        raise CommandError(
            f"The databases differ, so something was still writing: {'; '.join(wrong)}. Stop the "
            f"installation (./deploy/app.sh stop). {EMPTY_IT}"
        )


def _receive() -> None:
    call_command("migrate", verbosity=0)
    filled = [label for label, number in transfer.count().items() if number]
    if filled:
        raise CommandError(
            f"That database is not empty: it has rows of {', '.join(filled)}. Name an empty one."
        )
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    transfer.receive(sys.stdin)
    json.dump(transfer.count(), sys.stdout)


def _what_next(target: dict[str, str]) -> str:
    if target["MONGODB_URI"]:
        return (
            "All of it is there. Next, with the same address:\n"
            "  MONGODB_URI='mongodb://…' ./deploy/app.sh setup\n"
            "The SQLite file stays as it is; keep it until you are content."
        )
    return (
        "All of it is there. Next: take MONGODB_URI out of var/env (LIVESTREAM_ENV), and call\n"
        f"  LIVESTREAM_SQLITE='{target['LIVESTREAM_SQLITE']}' ./deploy/app.sh setup\n"
        "What is in MongoDB stays as it is."
    )
