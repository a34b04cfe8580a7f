"""How the MongoDB engine turns queries into pipelines; see base.py for what is repaired here."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.db import DatabaseError
from django_mongodb_backend import compiler
from django_mongodb_backend.compiler import SQLAggregateCompiler
from django_mongodb_backend.query import MongoQuery
from pymongo.errors import PyMongoError

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class Query(MongoQuery):
    extra_fields: dict[str, Any] | None

    def get_pipeline(self) -> list[dict[str, Any]]:
        """Without stages that only give a field its own value: no index serves a sort after one."""
        added: dict[str, Any] = self.extra_fields or {}
        self.extra_fields = {key: value for key, value in added.items() if value != f"${key}"}
        pipeline: list[dict[str, Any]] = super().get_pipeline()
        return pipeline


def worded(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Have what the driver raises reach the caller as a DatabaseError that says what happened."""

    @wraps(execute)
    def executing(*arguments: Any, **options: Any) -> Any:
        try:
            return execute(*arguments, **options)
        except DatabaseError as error:
            if error.args or error.__cause__ is None:
                raise
            raise type(error)(str(error.__cause__)) from error.__cause__
        except PyMongoError as error:
            raise DatabaseError(str(error)) from error

    return executing


class SQLCompiler(compiler.SQLCompiler):
    query_class = Query
    execute_sql = worded(compiler.SQLCompiler.execute_sql)

    def cursor_iter(self, *arguments: Any) -> Iterator[list[Any]]:
        """Rows beyond the first hundred are fetched while they are read."""
        rows = super().cursor_iter(*arguments)
        following = worded(lambda: next(rows, None))
        while (chunk := following()) is not None:
            yield chunk


class SQLInsertCompiler(compiler.SQLInsertCompiler):
    execute_sql = worded(compiler.SQLInsertCompiler.execute_sql)


class SQLUpdateCompiler(compiler.SQLUpdateCompiler):
    execute_sql = worded(compiler.SQLUpdateCompiler.execute_sql)


class SQLDeleteCompiler(compiler.SQLDeleteCompiler):
    execute_sql = worded(compiler.SQLDeleteCompiler.execute_sql)
