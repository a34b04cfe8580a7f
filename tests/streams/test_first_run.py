"""`manage.py first_run`."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from streams.models import Stream, StreamKey, User


def run() -> dict[str, str]:
    out = StringIO()
    call_command("first_run", stdout=out)
    return dict(line.split("=", 1) for line in out.getvalue().splitlines())


@pytest.mark.django_db
def test_the_first_run_makes_an_admin_and_a_stream_with_a_key() -> None:
    said = run()
    admin = User.objects.get()
    assert (said["ADMIN_USER"], admin.is_superuser) == ("admin", True)
    assert admin.check_password(said["ADMIN_PASSWORD"])
    key = StreamKey.find(said["STREAM_KEY"], timezone.now())
    assert key is not None
    assert key.stream.name == said["STREAM_NAME"] == "stream"
    assert [rung.height for rung in key.stream.ladder.rungs()] == [1080, 720, 480, 360]


@pytest.mark.django_db
def test_a_second_run_changes_nothing_and_shows_no_secret() -> None:
    run()
    assert run() == {"ADMIN_USER": "admin", "STREAM_NAME": "stream"}
    assert (User.objects.count(), Stream.objects.count(), StreamKey.objects.count()) == (1, 1, 1)
