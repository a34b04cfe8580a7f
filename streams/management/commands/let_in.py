"""`manage.py let_in NAME`: an account's owner gets in while others guess its password."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from streams.login import LET_IN, let_in
from streams.models import User


class Command(BaseCommand):
    help = (
        "For ten minutes, let people try to log in to an account from any browser, however many "
        "attempts were made at it from everywhere. Each address still has its own limits."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the account")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not User.objects.filter(username=name).exists():
            raise CommandError(f"There is no account named {name}.")
        try:
            let_in(name)
        except RedisError as error:
            raise CommandError(
                f"Redis, which would remember it, does not answer: {error}. While it is away, web "
                "counts attempts itself; restart web, and it begins anew."
            ) from error
        self.stdout.write(f"For {LET_IN // 60} minutes {name} may log in from any browser.")
