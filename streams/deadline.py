"""Deadlines: how long a database that is away may keep whoever asks."""

from contextlib import AbstractContextManager, nullcontext

from django.conf import settings


def within(seconds: float) -> AbstractContextManager[None]:
    """What is asked of a MongoDB meanwhile raises DatabaseError by then. SQLite's own patience
    (`timeout`) is in the settings."""
    if not settings.MONGODB_URI:
        return nullcontext()
    # Here, because it takes a dozen megabytes in every process.
    import pymongo

    deadline: AbstractContextManager[None] = pymongo.timeout(seconds)
    return deadline
