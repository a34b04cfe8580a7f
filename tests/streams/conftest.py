"""People, streams and a lost ingest for the tests of the registry."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from streams.models import Stream, User
from tests.deploy.installation import lost_port


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="a long enough password")


@pytest.fixture
def stream(alice: User) -> Stream:
    return Stream.objects.create(name="stream", title="Alice's garden", owner=alice)


@pytest.fixture
def admin(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="a long enough password"))
    return client


@pytest.fixture
def streamer(alice: User) -> Client:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=alice.pk))
    return browser


@pytest.fixture
def lost_url() -> Iterator[str]:
    """The control of an ingest whose host is off."""
    with lost_port() as port:
        yield f"http://127.0.0.1:{port}"
