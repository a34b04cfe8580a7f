"""Which Redis is used: one that answers, one of our own, or a clear refusal."""

import os

import pytest

from deploy.redis_server import RedisAddress, who_serves
from tests.deploy.installation import free_port


def test_a_redis_that_answers_is_used() -> None:
    assert who_serves(os.environ["REDIS_URL"]) == "theirs"


def test_where_none_answers_on_loopback_one_of_our_own_is_run() -> None:
    assert who_serves(f"redis://localhost:{free_port()}/1") == "own"


@pytest.mark.parametrize("scheme", ["rediss", "redis"])
def test_a_redis_we_could_not_serve_is_asked_for(scheme: str) -> None:
    host = "user:hidden@127.0.0.1"
    with pytest.raises(SystemExit, match="Nothing answers as Redis") as refusal:
        who_serves(f"{scheme}://{host}:{free_port()}/0")
    assert "hidden" not in str(refusal.value)


def test_credentials_the_server_does_not_know_are_explained() -> None:
    with pytest.raises(SystemExit, match="credentials"):
        who_serves(os.environ["REDIS_URL"].replace("redis://", "redis://nobody:wrong@"))


def test_the_default_port_and_loopback_by_name_are_understood() -> None:
    assert RedisAddress.parse("redis://localhost") == RedisAddress("127.0.0.1", 6379, "", True)
