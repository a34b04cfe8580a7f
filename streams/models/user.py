"""Who logs in: admins, streamers, chatters with an account."""

from django.contrib.auth.models import AbstractUser

from streams.models.base import UUIDModel


class User(UUIDModel, AbstractUser):
    pass
