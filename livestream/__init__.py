"""Wiring: settings, URLs, ASGI, Celery. Nothing imports this package."""

from livestream.celery import app as celery_app

__all__ = ["celery_app"]
