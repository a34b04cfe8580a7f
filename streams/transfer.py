"""Transfer: all rows of this database as lines of JSON, and such lines as rows of another one.

Keys of ours are kept. Those that a database counts up by itself are not: it gives new ones, and
who refers to such a row does so by its natural key.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import IO, Any

from django.apps import apps
from django.core import serializers
from django.core.serializers import jsonl
from django.db.models import ForeignKey, Model

# `migrate` makes these.
MADE_THERE = {"contenttypes.contenttype", "auth.permission"}
BATCH = 500


class Serializer(jsonl.Serializer):
    def get_dump_object(self, obj: Model) -> dict[str, Any]:
        line: dict[str, Any] = super().get_dump_object(obj)
        if obj._meta.auto_field is not None:
            line.pop("pk", None)
        return line


def moved_models() -> list[type[Model]]:
    """In an order in which each comes after those it refers to."""
    models = [model for model in apps.get_models() if model._meta.label_lower not in MADE_THERE]
    in_order: list[type[Model]] = []
    while models:
        ready = [model for model in models if not _refers_to(model) & (set(models) - {model})]
        in_order += ready
        models = [model for model in models if model not in ready]
    return in_order


def _refers_to(model: type[Model]) -> set[Any]:
    fields = (*_foreign_keys(model), *model._meta.local_many_to_many)
    return {field.related_model for field in fields}


def _foreign_keys(model: type[Model]) -> list[ForeignKey[Any, Any]]:
    return [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]


def _is_named(model: type[Model]) -> bool:
    """Whether rows refer to it by a natural key: its own is another one in every database."""
    return model._meta.auto_field is not None


def count() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in moved_models()}


class Sender:
    """`sent` and `orphans` count rows by their model: an orphan refers to a row that is no more,
    which MongoDB allows, and stays behind."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.orphans: Counter[str] = Counter()
        models = moved_models()
        # Only what others refer to has to be remembered.
        targets = {target for model in models for target in _refers_to(model)}
        self._known: dict[Any, set[Any]] = {model: set() for model in models if model in targets}

    def write(self, lines: IO[str]) -> None:
        for model in moved_models():
            named = any(map(_is_named, _refers_to(model)))
            Serializer().serialize(self._rows(model), stream=lines, use_natural_foreign_keys=named)

    def _rows(self, model: type[Model]) -> Iterator[Model]:
        for row in model._default_manager.order_by("pk").iterator(chunk_size=BATCH):
            if not self._is_whole(row):
                self.orphans[model._meta.label] += 1
                continue
            if model in self._known:
                self._known[model].add(row.pk)
            self.sent[model._meta.label] += 1
            yield row

    def _is_whole(self, row: Model) -> bool:
        """A reference that may be empty is emptied, as the deletion should have done."""
        for field in _foreign_keys(type(row)):
            value, known = getattr(row, field.attname), self._known.get(field.related_model)
            if value is None or known is None or value in known:
                continue
            if not field.null:
                return False
            setattr(row, field.attname, None)
        return True


def receive(lines: Iterable[str]) -> None:
    """Store the rows. The database has none yet."""
    rows = serializers.deserialize("jsonl", lines)
    for model, group in groupby(rows, key=lambda row: type(row.object)):
        if model._meta.local_many_to_many:
            for row in group:
                row.save()
            continue
        while batch := [row.object for row in islice(group, BATCH)]:
            model._default_manager.bulk_create(batch)
