"""People and streams for the tests of the registry."""

import pytest
from django.core.cache import cache

from streams.models import Stream, User


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="a long enough password")


@pytest.fixture
def stream(alice: User) -> Stream:
    return Stream.objects.create(name="stream", title="Alice's garden", owner=alice)
