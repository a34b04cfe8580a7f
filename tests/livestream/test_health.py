"""Health: Redis and the database are real here; worker and ingest do not run."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from livestream import health
from streams.foreman import RECONCILED_AT
from streams.models import Broadcast, Stream
from streams.origin.pressure import Watermark


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_report", health._Report())


@pytest.mark.django_db
def test_it_names_what_is_not_well(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 503
    body = answer.json()
    assert body["failing"] == ["worker", "ingest"]
    assert {name for name, part in body["parts"].items() if part["ok"]} == {
        "database",
        "redis",
        "channels",
        "broker",
        "disk",
        "delivery",
        "origins",
    }


@pytest.mark.django_db
def test_it_is_well_when_all_parts_are(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole stack shows the same with real parts, in the acceptance tests."""
    monkeypatch.setattr(health, "PARTS", {"disk": health.disk})
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_many_callers_cost_one_look(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(health, "PARTS", {"disk": lambda: str(looks.append(1))})
    for _ in range(5):
        client.get("/health")
    assert len(looks) == 1


@pytest.mark.django_db
def test_a_full_disk_is_not_well(client: Client, settings: LazySettings) -> None:
    settings.DISK_LOW = settings.DISK_MIN_FREE = Watermark.parse("100%")
    body = client.get("/health").json()
    assert "disk" in body["failing"]
    assert "nothing is kept after a broadcast's end" in body["parts"]["disk"]["detail"]


def test_a_disk_on_which_windows_shrink_is_well_and_says_so(settings: LazySettings) -> None:
    settings.DISK_LOW = Watermark.parse("100%")
    assert "viewers rewind less far" in health.disk()


@pytest.mark.django_db
def test_only_this_machine_is_told_details(client: Client) -> None:
    for forwarded, told in (("", True), ("127.0.0.1", True), ("203.0.113.9", False)):
        parts = client.get("/health", headers={"X-Forwarded-For": forwarded}).json()["parts"]
        assert ("detail" in parts["disk"]) is told


@pytest.mark.django_db
def test_this_machine_may_come_from_its_internal_address(client: Client) -> None:
    for caller, told in (("10.0.0.5", True), ("10.0.0.6", False)):
        answer = client.get(
            "/health", REMOTE_ADDR=caller, SERVER_NAME="10.0.0.5", HTTP_HOST="localhost"
        )
        assert ("detail" in answer.json()["parts"]["disk"]) is told


@pytest.mark.django_db
def test_without_redis_the_ingest_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(health.nodes.local, "_get", lambda path: b"<rtmp></rtmp>")
    settings.CACHES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert health.ingest() == "0 publishing"


@pytest.mark.django_db
def test_broadcasts_that_nobody_drives_are_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.current_app.control, "ping", lambda **_: [{"worker": "pong"}])
    cache.set(RECONCILED_AT, timezone.now().timestamp())
    stream = Stream.objects.create(name="s")
    late = timezone.now() - timedelta(minutes=1)
    Broadcast.objects.create(stream=stream, open_key=stream.pk, lease_until=late)
    with pytest.raises(health.Unwell, match="nobody drives 1"):
        health.worker()
    Broadcast.objects.update(lease_until=timezone.now())
    assert health.worker() == "answers"
