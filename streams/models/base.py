"""The primary key all our rows share."""

import uuid

from django.db import models


class UUIDModel(models.Model):
    """A row with a UUID key. Its column is `_id`: the only key MongoDB finds by its own index."""

    id = models.UUIDField(primary_key=True, db_column="_id", default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True
