"""The database, as Django's settings want it: SQLite in the state folder, or MongoDB."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

SCHEMES = ("mongodb", "mongodb+srv")
# MongoDB allows none of them in a database's name.
FORBIDDEN = frozenset('/\\. "$*<>:|?\0')
# Milliseconds. An election takes ten seconds where nobody set it otherwise: who waits through it
# need not fail. A server that hangs, instead of being away, is noticed by the last one only.
OPTIONS = {
    "serverSelectionTimeoutMS": 15_000,
    "connectTimeoutMS": 2_000,
    "socketTimeoutMS": 5_000,
    # What is acknowledged outlives the primary, also where an arbiter makes the default weaker.
    "w": "majority",
    "appname": "livestream",
}


def sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "TEST": {"NAME": file.with_name(f"test-{file.name}")},
        "OPTIONS": {
            "timeout": 20,
            # Deferred transactions of several processes end in "database is locked".
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;"
                "PRAGMA cache_size=-20000; PRAGMA journal_size_limit=67108864;"
            ),
        },
    }


def mongodb(uri: str, name: str = "") -> dict[str, Any]:
    """`name` wins over the one in the URI's path; the URI's options win over ours.

    Raises ImproperlyConfigured, which never shows the URI: a password may be in it.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:  # says what it could not read, which may be the password
        raise ImproperlyConfigured(f"MONGODB_URI cannot be read. {SHAPE}") from None
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise ImproperlyConfigured(f"MONGODB_URI does not begin with mongodb://. {SHAPE}")
    name = name or parts.path.lstrip("/")
    if not name:
        raise ImproperlyConfigured(
            f"MONGODB_URI names no database, and MONGODB_NAME is not set. {SHAPE}"
        )
    if not FORBIDDEN.isdisjoint(name):
        raise ImproperlyConfigured(
            f"The database's name in MONGODB_URI or MONGODB_NAME has a character that MongoDB does "
            f"not allow there, one of: {' '.join(sorted(FORBIDDEN - {' ', chr(0)}))} and the blank."
        )
    given = {option.lower(): value for option, value in parse_qsl(parts.query)}
    if given.get("readpreference", "primary").lower() != "primary" or given.get("w") == "0":
        raise ImproperlyConfigured(
            "MONGODB_URI has a readPreference other than primary, or w=0. Who reads what is out of "
            "date, or does not wait for an answer, cannot know whose a broadcast is: leave it out."
        )
    return {
        "ENGINE": "livestream.mongo",
        "HOST": uri,
        "NAME": name,
        "OPTIONS": {key: value for key, value in OPTIONS.items() if key.lower() not in given},
    }


SHAPE = (
    "Write mongodb://USER:PASSWORD@HOST:27017/livestream?authSource=admin, with : / @ % in the "
    "password as %3A %2F %40 %25."
)
