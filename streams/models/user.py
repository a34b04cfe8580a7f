"""Who logs in: admins, streamers, chatters with an account."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from streams.models.base import UUIDModel


class User(UUIDModel, AbstractUser):
    class Meta(AbstractUser.Meta):
        # MongoDB's unique one knows no order: it leaves out what is NULL.
        indexes = [models.Index(fields=("username", "is_active"))]
