"""Events: whoever tells what became of a stream does not wait for Redis."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from streams.events import publish_state
from streams.models import Stream
from tests.redis_server import start_redis


@pytest.fixture
def _frozen_redis(tmp_path: Path, settings: LazySettings) -> Iterator[None]:
    """It takes connections, as the kernel does that for it, and never answers."""
    server, url = start_redis(tmp_path)
    settings.CACHES = {
        **settings.CACHES,
        "default": {**settings.CACHES["default"], "LOCATION": url},
    }
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {"hosts": [url]}}}
    server.send_signal(signal.SIGSTOP)
    yield
    server.kill()
    server.wait(10)


@pytest.mark.usefixtures("_frozen_redis")
def test_a_redis_that_hangs_holds_nobody_up(stream: Stream) -> None:
    before = time.monotonic()
    for _ in range(10):
        publish_state(stream)
    assert time.monotonic() - before < 0.5
