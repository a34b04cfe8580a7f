"""The database engine for MongoDB: django-mongodb-backend, with its defects repaired.

Each repair has a test in tests/livestream/test_mongo.py that fails without it; try those without
them at every update of the backend, and remove here what they no longer need:

- `SchemaEditor.add_index`: queries never used a unique index. Repaired upstream in 6.0.4.
- `Operations.prep_for_iexact_query`: `iexact` took its text for a regular expression. Still so in
  6.0.
- `compiler.Query`: `order_by` never used an index. Look again with 6.0.4.
- `compiler.worded`: errors came without their text, or as the driver's own. Still so in 6.0.

The backend finds a row by its key only where that is stored as `_id`: see streams/models/base.py.
"""

from datetime import datetime
from typing import Any

from bson import ObjectId
from django.db.models import Index, Model
from django_mongodb_backend import base, operations, schema

from livestream.mongo.compiler import worded

# What every value of a type is at least. An index on these serves a look-up of any such value,
# which the planner cannot tell of one on {"$type": …}. NULL is none of them, so rows without a
# value stay apart.
LEAST: dict[str, Any] = {
    "string": "",
    "long": float("-inf"),
    "int": float("-inf"),
    "double": float("-inf"),
    "date": datetime.min,  # noqa: DTZ901  as it is stored
    "objectId": ObjectId("0" * 24),
}


class SchemaEditor(schema.DatabaseSchemaEditor):
    def add_index(
        self,
        model: type[Model],
        index: Index,
        *,
        field: Any = None,
        unique: bool = False,
        column_prefix: str = "",
        parent_model: type[Model] | None = None,
    ) -> None:
        names = {"field": field, "column_prefix": column_prefix}
        if not unique:
            super().add_index(model, index, parent_model=parent_model, **names)
            return
        # The backend adds this method to Django's class.
        make = index.get_pymongo_index_model  # type: ignore[attr-defined]
        made = make(model, schema_editor=self, unique=True, **names)
        if made is not None:
            for condition in made.document["partialFilterExpression"].values():
                _widen(condition)
            table = (parent_model or model)._meta.db_table
            self.get_collection(table).create_indexes([made])


def _widen(condition: Any) -> None:
    # A condition of several parts has lists in the place of operators.
    if isinstance(condition, dict) and condition.get("$type") in LEAST:
        condition["$gte"] = LEAST[condition.pop("$type")]


class Operations(operations.DatabaseOperations):
    compiler_module = "livestream.mongo.compiler"

    def prep_for_iexact_query(self, text: str) -> str:
        escaped: str = self.prep_for_like_query(text)
        return escaped


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = SchemaEditor
    ops_class = Operations
    # A process' first question to the server.
    get_database_version = worded(base.DatabaseWrapper.get_database_version)
