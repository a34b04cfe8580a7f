"""Writes that are carried out once, although nobody may have heard the answer.

SQLite tells for certain. When the primary of a MongoDB replica set dies, a write that failed may
have been carried out: the driver repeats an insertion by itself, but no update. So we ask once
more, and something that nobody else writes tells ours from another's.
"""

from contextlib import AbstractContextManager, nullcontext

from django.db import DatabaseError, IntegrityError, connections, router
from django.db.models import Model, QuerySet


def update_once(rows: QuerySet[Model], done: QuerySet[Model], **columns: object) -> bool:
    """A conditional update of one row; whether it was carried out.

    `done` is the row as it is afterwards, if it was by us. Raises DatabaseError when that cannot be
    told even at the second time.
    """
    try:
        return rows.update(**columns) == 1
    except DatabaseError as error:
        if _is_certain(rows.db, error):
            raise
    return rows.update(**columns) == 1 or done.exists()


def insert_once(row: Model, hurry: AbstractContextManager[None] | None = None) -> None:
    """Raises IntegrityError when a unique value is another row's, DatabaseError when nobody knows.

    Its key is chosen before, so that it is the same row however often it is sent. `hurry` may end
    the first attempt: a server that hangs has a successor by the second one.
    """
    try:
        with hurry or nullcontext():
            row.save(force_insert=True)
        return
    except DatabaseError as error:
        if _is_certain(router.db_for_write(type(row)), error):
            raise
    try:
        row.save(force_insert=True)
    except IntegrityError:
        if not type(row)._default_manager.filter(pk=row.pk).exists():
            raise
        row._state.adding = False


def _is_certain(alias: str, error: DatabaseError) -> bool:
    refused = isinstance(error, IntegrityError)
    return refused or connections[alias].features.supports_transactions
