"""The stage of the fault tests: streams to publish to, a watch for doubles, the ledger."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.acceptance.encoders import Watch, encoders
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.faults.channel import Channel
from tests.faults.flv import Feed
from tests.faults.ledger import Ledger
from tests.faults.record import record_of

GRACE = 4
BATCH = 20
# Not above the lowest rung, so that FFmpeg only copies: what is tested is who watches over it.
SIZE = "640x360"


class Stage:
    """Gives every test a channel of its own; what it leaves on air ends with the test."""

    def __init__(self, stack: Stack, watch: Watch, ledger: Ledger) -> None:
        self.stack, self.watch, self.ledger = stack, watch, ledger
        self.record = record_of(stack.var)
        self._names = self._issue()
        self._publishers: list[Publisher | Feed] = []
        self._steady: Channel | None = None

    def _issue(self) -> Iterator[str]:
        for first in count(0, BATCH):
            names = [f"fault-{number:03d}" for number in range(first, first + BATCH)]
            self.stack.shell(
                "from streams.models import Stream\n"
                f"for name in {names}: Stream.objects.create(name=name, grace_seconds={GRACE})"
            )
            yield from names

    def name(self, **columns: object) -> str:
        """A stream that nobody used yet, with these columns."""
        name = next(self._names)
        for column, value in columns.items():
            self.record.change("stream", {"name": name}, **{column: value})
        return name

    def publisher(self, name: str, source: tuple[str, ...] = (), size: str = SIZE) -> Publisher:
        publisher = Publisher(self.stack.rtmp, name, size=size, source=source)
        self._publishers.append(publisher)
        return publisher

    def channel(
        self, source: tuple[str, ...] = (), *, size: str = SIZE, **columns: object
    ) -> Channel:
        """Not on air yet."""
        name = self.name(**columns)
        return self.on(name, self.publisher(name, source, size))

    def on(self, name: str, publisher: Publisher | Feed) -> Channel:
        if publisher not in self._publishers:
            self._publishers.append(publisher)
        return Channel(self.stack, self.watch, self.ledger, name, publisher)

    def steady(self) -> Channel:
        """A channel that is on air already, for tests that leave its encoder alone; a new one if
        the last test hurt it."""
        if self._steady is not None and not self._steady.is_well():
            self._steady.publisher.stop()
            self._steady = None
        if self._steady is None:
            name = self.name()
            publisher = Publisher(self.stack.rtmp, name, size=SIZE)
            self._steady = Channel(self.stack, self.watch, self.ledger, name, publisher).begin()
        return self._steady

    def clear(self) -> None:
        for publisher in self._publishers:
            publisher.stop()
        self._publishers.clear()

    def rest(self) -> None:
        """Nothing is on air but what the test itself puts there."""
        if self._steady is not None:
            self._steady.end()
            self._steady = None


# For this folder only: other tests want the stack for themselves.
@pytest.fixture(scope="package")
def watch(stack: Stack) -> Iterator[Watch]:
    """At the end of all, nothing that carries a run id is left."""
    watch = Watch(stack.hls).start()
    yield watch
    try:
        until(lambda: not encoders(stack.hls), 30, f"no stray: {encoders(stack.hls)}")
    finally:
        watch.stop()


@pytest.fixture(scope="package")
def _stage(stack: Stack, watch: Watch, ledger: Ledger) -> Iterator[Stage]:
    stage = Stage(stack, watch, ledger)
    yield stage
    stage.rest()


@pytest.fixture
def stage(_stage: Stage) -> Iterator[Stage]:
    """All processes run, whatever the test before did to them."""
    if len(_stage.stack.running()) < 7:
        started = _stage.stack.app("start")
        assert started.returncode == 0, started.stdout
    yield _stage
    _stage.clear()


@pytest.fixture
def channel(stage: Stage) -> Channel:
    """On air, with enough in its playlist for a viewer; its encoder must stay as it is."""
    return stage.steady()


@pytest.fixture
def fresh(stage: Stage) -> Channel:
    """On air for this test alone."""
    return stage.channel().begin()
