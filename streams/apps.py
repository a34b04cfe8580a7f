"""The streams application."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "streams"

    def ready(self) -> None:
        from streams import checks  # noqa: F401  registers the system checks
