"""A task for tests: a worker shows by a note in the cache that it works."""

from celery import shared_task
from django.core.cache import cache


@shared_task
def note(key: str) -> None:
    cache.set(key, "done", timeout=60)
