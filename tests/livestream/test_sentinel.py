"""A failover: real servers, and everything that uses Redis goes on with the new master."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from celery import Celery
from django.conf import LazySettings
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.cache import cache
from django.db import connections

from chat.hub import Hub
from chat.layer import Layer
from chat.outbox import Frame, Outbox
from livestream import redis_settings
from streams import events, presence
from tests.acceptance.stack import until
from tests.conftest import NOTES
from tests.deploy.installation import ROOT, Installation
from tests.livestream.sentinels import PASSWORD, SENTINEL_PASSWORD, Group

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.leaves_connections,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def group(tmp_path: Path, settings: LazySettings) -> Iterator[Group]:
    """Running, and used by this process for cache and presence."""
    group, before = Group(tmp_path), settings.CHANNEL_LAYERS["default"]
    try:
        group.start()
        settings.CACHES = {
            "default": redis_settings.cache(group.route, "livestream"),
            "sessions": redis_settings.session_cache(group.route, "test-sessions"),
        }
        layer = {**before, "CONFIG": {"hosts": [redis_settings.channel_host(group.route)]}}
        settings.CHANNEL_LAYERS = {"default": layer}
        yield group
    finally:
        group.stop()
        settings.CHANNEL_LAYERS = {"default": before}


# As supervisord and systemd do: kombu ends the worker when a connection is lost between a task's
# delivery and its acknowledgement. FFmpegs outlive that.
AGAIN_AND_AGAIN = 'while :; do "$@"; echo "the worker has ended"; sleep 1; done'


@pytest.fixture
def worker(group: Group, tmp_path: Path) -> Iterator[Path]:
    """A worker process that knows the group by its environment; its log."""
    installation = Installation(tmp_path, **group.environment)
    installation.environment["DJANGO_SETTINGS_MODULE"] = "livestream.settings"
    assert installation.run("django", "migrate", "--verbosity", "0").returncode == 0
    log = tmp_path / "worker.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", AGAIN_AND_AGAIN, "_",
             sys.executable, "-m", "celery", "-A", "livestream", "worker", "--pool", "threads",
             "-c", "4", "-Q", "broadcasts,chores", "--disable-prefetch", "--without-gossip",
             "--without-mingle", "--without-heartbeat", "--loglevel", "INFO",
             "--include", "tests.livestream.notes"],
            cwd=ROOT, env=installation.environment, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield log
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Probe:
    """Does the same thing again and again in a thread; remembers when it succeeded."""

    def __init__(self, name: str, attempt: Callable[[], None]) -> None:
        self.name = name
        self.succeeded = [time.monotonic()]
        self.last_error: Exception | None = None
        self._attempt = attempt
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._attempt()
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self._attempt()
                # From its start: what began before the failure proves nothing.
                self.succeeded.append(started)
            except Exception as error:
                self.last_error = error
            self._stop.wait(0.05)
        connections.close_all()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def works_since(self, moment: float) -> bool:
        return self.succeeded[-1] > moment

    def gap(self) -> float:
        return max(b - a for a, b in zip(self.succeeded, self.succeeded[1:], strict=False))


class Chat:
    """Two processes' worth of chat in an event loop of its own: what one says, the other hears."""

    def __init__(self, group: Group) -> None:
        self.host = redis_settings.channel_host(group.route)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.numbers = count()
        self.do(self.open())

    def do(self, what):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(60)

    async def open(self) -> None:
        self.stream_id = uuid4()
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.layers = [Layer(hosts=[self.host]) for _ in range(2)]
        # At the product's own pace: docs/redis.md has the figures.
        self.hubs = [Hub(layer, look_every=3600) for layer in self.layers]
        self.outboxes = [
            Outbox(send, overflow=lambda: None) for send in (self.heard.put, asyncio.Queue().put)
        ]
        self.rooms = [
            hub.join(self.stream_id, outbox, "alice")
            for hub, outbox in zip(self.hubs, self.outboxes, strict=True)
        ]
        for outbox, room in zip(self.outboxes, self.rooms, strict=True):
            outbox.start()
            await room.ready()

    async def close(self) -> None:
        for hub, outbox, layer in zip(self.hubs, self.outboxes, self.layers, strict=True):
            hub.leave(self.stream_id, outbox)
            await hub.drain()
            await layer.flush()

    async def pass_on(self) -> None:
        text = f"message {next(self.numbers)}"
        await self.rooms[1].publish(Frame(text, uuid4().hex))
        async with asyncio.timeout(1):
            while await self.heard.get() != text:
                pass

    def attempt(self) -> None:
        self.do(self.pass_on())

    def end(self) -> None:
        self.do(self.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def keep() -> None:
    key = uuid4().hex
    cache.set(key, key, timeout=60)
    assert cache.get(key) == key


def log_in() -> None:
    session = SessionStore()
    session["name"] = "alice"
    session.save()
    # Its own write at once: a replica would not have it yet.
    assert SessionStore(session.session_key)["name"] == "alice"


def watch() -> None:
    assert presence.seen(uuid4(), "alice") == 1


class Tasks:
    """A task sent as the product sends its own, and done by the worker process."""

    def __init__(self, group: Group, settings: LazySettings) -> None:
        self.app = Celery("producer", set_as_current=False)
        self.app.conf.update(
            broker_url=redis_settings.broker_url(group.route),
            broker_transport_options={
                **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
                **redis_settings.broker_options(group.route),
            },
            task_ignore_result=True,
        )

    def attempt(self) -> None:
        key = uuid4().hex
        self.app.send_task(
            "tests.livestream.notes.note", (key,), queue="chores", retry=False, ignore_result=True
        )
        until(lambda: cache.get(key), 3, "the task is done")


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_everything_goes_on_with_the_new_master(
    group: Group,
    worker: Path,
    settings: LazySettings,
    transactional_db: None,
    pytestconfig: pytest.Config,
    fault: str,
) -> None:
    until(lambda: "ready" in worker.read_text(), 30, "the worker is there")
    with asyncio.Runner() as runner, ExitStack() as stack:
        chat, tasks = Chat(group), Tasks(group, settings)
        stack.callback(chat.end)
        probes = []
        for name, attempt in (
            ("cache", keep),
            ("sessions", log_in),
            ("presence", watch),
            ("events", lambda: runner.run(events.deliver("stream.x", {"type": "test"}))),
            ("chat", chat.attempt),
            ("task", tasks.attempt),
        ):
            probes.append(Probe(name, attempt))
            stack.callback(probes[-1].end)
        harm = group.kill if fault == "killed" else group.freeze
        # A host is lost: its sentinel too.
        harm(group.watchers[0])
        harm(group.first)
        harmed_at = time.monotonic()
        until(lambda: group.master() == group.second, 20, "the replica is the master")
        promoted_at = time.monotonic()
        for probe in probes:
            until(
                lambda probe=probe: probe.works_since(promoted_at + 5),
                60,
                f"{probe.name} works again: {probe.last_error!r}",
            )
    gaps = ", ".join(f"{probe.name} {probe.gap():.1f} s" for probe in probes)
    pytestconfig.stash.setdefault(NOTES, []).append(
        f"Redis' master {fault}, another one after {promoted_at - harmed_at:.1f} s; gaps: {gaps}"
    )
    sessions = next(probe for probe in probes if probe.name == "sessions")
    assert sessions.last_error is None, "sessions are in the database as well"
    assert group.processes[group.second].poll() is None
    said = worker.read_text()
    if "the worker has ended" in said:
        pytestconfig.stash[NOTES].append("its worker ended, and was started again")
    assert PASSWORD not in said
    assert SENTINEL_PASSWORD not in said
