"""Redis behind TLS with a password: real certificates, and every part that uses it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from celery import Celery
from django.conf import LazySettings
from django.core.cache import cache
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat.layer import Layer
from deploy.redis_server import connect, who_serves
from livestream import redis_settings
from livestream.redis_routes import RedisRoutes
from streams import presence
from tests.acceptance.stack import until
from tests.deploy.installation import ROOT, Installation, free_port, wait_for_port
from tests.livestream.certificates import make_certificates
from tests.livestream.sentinels import Group


@dataclass
class Server:
    port: int
    folder: Path

    def routes(self, authority: str = "ours.pem", scheme: str = "rediss") -> RedisRoutes:
        url = f"{scheme}://default:pass%2Fword@127.0.0.1:{self.port}/1"
        return RedisRoutes.plan(url, ca_file=str(self.folder / authority))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    make_certificates(folder)
    (folder / "conf").write_text(
        f"port 0\ntls-port {port}\nbind 127.0.0.1\nsave ''\ndir {folder}\nrequirepass pass/word\n"
        f"tls-cert-file {folder}/redis.pem\ntls-key-file {folder}/redis.key\n"
        f"tls-ca-cert-file {folder}/ours.pem\ntls-auth-clients no\n"
    )
    process = subprocess.Popen(
        ["redis-server", str(folder / "conf")], stdout=subprocess.DEVNULL, cwd=folder
    )
    try:
        wait_for_port(port)
        yield Server(port, folder)
    finally:
        process.terminate()
        process.wait()


def producer(routes: RedisRoutes) -> Celery:
    app = Celery("producer", set_as_current=False)
    app.conf.update(
        broker_url=redis_settings.broker_url(routes.broker),
        broker_use_ssl=routes.broker.tls or False,
        broker_transport_options={
            **redis_settings.broker_options(routes.broker),
            "max_retries": 1,
            "interval_start": 0,
        },
        task_ignore_result=True,
    )
    return app


def send(routes: RedisRoutes, key: str) -> None:
    # Of its own: pools are shared by address, whatever the authority.
    with producer(routes) as app, app.connection_for_write() as connection:
        app.send_task(
            "tests.livestream.notes.note", (key,), queue="chores", retry=False,
            connection=connection,
        )  # fmt: skip


async def talk(routes: RedisRoutes) -> str:
    one, other = (Layer(hosts=[redis_settings.channel_host(routes.channels)]) for _ in range(2))
    try:
        channel = await one.new_channel()
        await other.send(channel, {"text": "hello"})
        message: dict[str, str] = await asyncio.wait_for(one.receive(channel), 10)
        return message["text"]
    finally:
        await one.flush()
        await other.flush()


def test_cache_and_presence_speak_tls(server: Server, settings: LazySettings) -> None:
    settings.CACHES = {"default": redis_settings.cache(server.routes().cache, "test")}
    cache.set("key", "value", timeout=10)
    assert cache.get("key") == "value"
    assert presence.seen(uuid4(), "alice") == 1


async def test_the_channel_layer_speaks_tls(server: Server) -> None:
    assert await talk(server.routes()) == "hello"


def test_a_worker_takes_its_tasks_by_tls(
    server: Server, settings: LazySettings, tmp_path: Path
) -> None:
    settings.CACHES = {"default": redis_settings.cache(server.routes().cache, "livestream")}
    installation = Installation(
        tmp_path,
        REDIS_URL=server.routes().url,
        REDIS_CA_FILE=str(server.folder / "ours.pem"),
        DJANGO_SETTINGS_MODULE="livestream.settings",
    )
    assert installation.run("django", "migrate", "--verbosity", "0").returncode == 0
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "livestream", "worker", "--pool", "threads",
             "-c", "1", "-Q", "chores", "--without-gossip", "--without-mingle",
             "--without-heartbeat", "--loglevel", "INFO", "--include", "tests.livestream.notes"],
            cwd=ROOT, env=installation.environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        send(server.routes(), "by-tls")
        until(lambda: cache.get("by-tls"), 30, "the task is done")
        assert "pass/word" not in (tmp_path / "worker.log").read_text()
        assert "pass%2Fword" not in (tmp_path / "worker.log").read_text()
    finally:
        worker.terminate()
        worker.wait()


def test_setup_finds_it(server: Server) -> None:
    assert who_serves(server.routes(), server.folder) == "theirs"


@pytest.mark.parametrize(
    ("authority", "scheme"), [("another.pem", "rediss"), ("ours.pem", "redis")]
)
def test_a_certificate_nobody_vouches_for_and_plain_words_are_refused(
    server: Server, settings: LazySettings, authority: str, scheme: str
) -> None:
    routes = server.routes(authority, scheme)
    settings.CACHES = {
        "default": {
            **redis_settings.cache(routes.cache, "test"),
            # Pools are shared by address, and the other tests have one with the right authority.
            "LOCATION": [f"{routes.url}?client_name={authority}"],
        }
    }
    with pytest.raises(RedisError):
        cache.get("key")
    with pytest.raises((RedisError, OSError)):
        asyncio.run(talk(routes))
    with pytest.raises(OperationalError):
        send(routes, "never")
    with pytest.raises(SystemExit, match="Nothing answers as Redis"):
        who_serves(routes, server.folder)


@pytest.mark.leaves_connections
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sentinels_and_their_master_speak_tls(tmp_path: Path, settings: LazySettings) -> None:
    group = Group(tmp_path, tls=True)
    try:
        group.start()
        routes = RedisRoutes.plan(group.url, sentinels=group.sentinels, ca_file=group.authority)
        settings.CACHES = {"default": redis_settings.cache(routes.cache, "test")}
        cache.set("key", "value", timeout=10)
        assert cache.get("key") == "value"
        assert asyncio.run(talk(routes)) == "hello"
        send(routes, "waits")
        assert connect(routes.broker).llen("chores") == 1
        assert who_serves(routes, tmp_path) == "theirs"
        another = RedisRoutes.plan(
            group.url, sentinels=group.sentinels, ca_file=f"{tmp_path}/another.pem"
        )
        with pytest.raises(OperationalError):
            send(another, "never")
    finally:
        group.stop()
