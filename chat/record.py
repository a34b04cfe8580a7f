"""The record, as the chat asks it: every question has an end, also while the database is away.

All sockets of a process share one thread for their questions, so whoever waits for a database that
does not answer has everybody else wait as well.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError

from chat.models import Message
from streams.deadline import within
from streams.once import insert_once

T = TypeVar("T")

# Seconds. A page gives up on a socket that does not answer for ten.
PATIENCE = 5.0
# What was said waits for an election, which takes ten where nobody set it otherwise.
STORING = 15.0
# A server that hangs has a successor by the second attempt.
FIRST_ATTEMPT = 5.0


async def ask(question: Callable[..., T], *about: object, by: float | None = None) -> T:
    """Its answer. Raises DatabaseError when there is none by that time of `time.monotonic()`, or
    after PATIENCE: waiting for others included."""
    by = time.monotonic() + PATIENCE if by is None else by
    # None left: it is refused in the thread, like those whose time runs out on the way there.
    with within(max(by - time.monotonic(), 0.001)):
        answer: T = await database_sync_to_async(_in_time)(by, question, *about)
        return answer


async def store(message: Message, by: float) -> None:
    await ask(_store, message, by=by)


def _in_time(by: float, question: Callable[..., T], *about: object) -> T:
    if time.monotonic() > by:
        raise DatabaseError("The database was not asked: it kept those who asked before too long.")
    return question(*about)


def _store(message: Message) -> None:
    insert_once(message, within(FIRST_ATTEMPT))
