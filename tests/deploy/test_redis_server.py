"""Which Redis is used: one that answers, one of our own, or a clear refusal."""

import os
import subprocess
from pathlib import Path

import pytest
import redis

from deploy.redis_server import RedisAddress, who_serves
from livestream.redis_routes import RedisRoutes, Sentinels
from tests.deploy.installation import free_port, wait_for_port

NOT_OURS = Path("/nowhere")


def serves(url: str, **routes: str) -> str:
    return who_serves(RedisRoutes.plan(url, **routes), NOT_OURS)


def test_a_redis_that_answers_is_used() -> None:
    assert serves(os.environ["REDIS_URL"]) == "theirs"


def test_where_none_answers_on_loopback_one_of_our_own_is_run() -> None:
    assert serves(f"redis://localhost:{free_port()}/1") == "own"


def test_one_of_our_own_that_runs_already_stays_our_own(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/redis.conf").write_text(f'bind 127.0.0.1\nport {port}\nsave ""\n')
    server = subprocess.Popen(
        ["redis-server", f"{tmp_path}/conf/redis.conf", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        routes = RedisRoutes.plan(f"redis://127.0.0.1:{port}/0")
        assert who_serves(routes, tmp_path) == "own"
        assert who_serves(routes, NOT_OURS) == "theirs"
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("scheme", ["rediss", "redis"])
def test_a_redis_we_could_not_serve_is_asked_for(scheme: str) -> None:
    host = "user:hidden@127.0.0.1"
    with pytest.raises(SystemExit, match="Nothing answers as Redis") as refusal:
        serves(f"{scheme}://{host}:{free_port()}/0")
    assert "hidden" not in str(refusal.value)


def test_credentials_the_server_does_not_know_are_explained() -> None:
    with pytest.raises(SystemExit, match="credentials"):
        serves(os.environ["REDIS_URL"].replace("redis://", "redis://nobody:wrong@"))


def test_the_default_port_and_loopback_by_name_are_understood() -> None:
    assert RedisAddress.parse("redis://localhost") == RedisAddress("127.0.0.1", 6379, "", True)


def test_each_part_s_own_redis_has_to_answer() -> None:
    shared = os.environ["REDIS_URL"]
    assert serves(shared, cache=shared.replace("/0", "/1")) == "theirs"
    with pytest.raises(SystemExit, match="correct REDIS_BROKER_URL"):
        serves(shared, broker=f"redis://127.0.0.1:{free_port()}/0")


def test_none_of_our_own_is_run_where_every_part_has_one() -> None:
    theirs = os.environ["REDIS_URL"].replace("/0", "/1")
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    assert serves(nobody, cache=theirs, channels=theirs, broker=theirs) == "theirs"
    assert serves(nobody, cache=theirs, channels=theirs) == "own"


def test_none_of_our_own_stands_in_for_a_master_that_sentinels_name() -> None:
    sentinels = Sentinels((("127.0.0.1", free_port()),), "livestream")
    with pytest.raises(SystemExit, match="the master 'livestream' of the sentinels 127"):
        who_serves(RedisRoutes.plan("redis://localhost/0", sentinels=sentinels), NOT_OURS)


def test_a_wrong_address_is_explained() -> None:
    with pytest.raises(SystemExit, match="begins with redis:"):
        serves("http://:hidden@localhost")


def test_a_cluster_is_refused(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
         "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_port(port)
        assert redis.Redis(port=port).info("cluster")["cluster_enabled"] == 1
        with pytest.raises(SystemExit, match="Redis Cluster, which Celery"):
            serves(f"redis://127.0.0.1:{port}/0")
    finally:
        server.terminate()
        server.wait()
