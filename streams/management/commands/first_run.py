"""`manage.py first_run`: an admin and a first stream, where there are none yet."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand

from streams.models import Stream, StreamKey, User

ADMIN = "admin"
STREAM = "stream"


class Command(BaseCommand):
    help = (
        "Make an admin with a random password and a stream named “stream”, unless there are an "
        "admin and a stream already. Prints KEY=VALUE lines; secrets appear this once only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        admin = User.objects.filter(is_superuser=True).order_by("date_joined").first()
        if admin is None:
            password = secrets.token_urlsafe(12)
            admin = User.objects.create_superuser(ADMIN, password=password)
            self.stdout.write(f"ADMIN_PASSWORD={password}")
        self.stdout.write(f"ADMIN_USER={admin.username}")
        stream = Stream.objects.order_by("created_at").first()
        if stream is None:
            stream = Stream.objects.create(name=STREAM, title="My first stream", owner=admin)
            self.stdout.write(f"STREAM_KEY={StreamKey.issue(stream)}")
        self.stdout.write(f"STREAM_NAME={stream.name}")
