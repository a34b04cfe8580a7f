"""The disk is full: what is on air goes on as soon as there is room, with the same publisher."""

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.encoders import Watch
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.faults.channel import Channel
from tests.faults.conftest import SIZE
from tests.faults.ledger import Ledger

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.slow_fault,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system"),
]

MEGABYTE = 1_000_000
SIZE_OF_DISK = 48 * MEGABYTE


@pytest.fixture
def small() -> Iterator[Stack]:
    """A stack whose HLS root is a small file system of its own."""
    stack = Stack()
    # As in a container that may not mount: that is no fault of the product's.
    stack.hls.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_OF_DISK}", "tmpfs", str(stack.hls)],
        capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        stack.remove()
        pytest.skip(f"this system lets nobody mount a tmpfs: {mounted.stderr.strip()}")
    # The watermarks in proportion to it.
    stack.environment["LIVESTREAM_DISK_MIN_FREE"] = str(SIZE_OF_DISK // 10)
    try:
        stack.setup()
        yield stack
    finally:
        stack.stop()
        subprocess.run(["umount", "-l", str(stack.hls)], check=True)
        stack.remove()


def test_a_full_disk_stops_nothing_for_good(small: Stack, ledger: Ledger) -> None:
    small.add_stream("full", grace=30)
    watch = Watch(small.hls).start()
    with Publisher(small.rtmp, "full", size=SIZE) as publisher:
        channel = Channel(small, watch, ledger, "full", publisher).await_air()
        broadcast, before = channel.row["_id"], channel.newest
        with channel.fault("disk full for 15 s", deletes=True) as fault:
            ballast = small.hls / "ballast"
            filled = time.monotonic()
            until(lambda: fill(ballast) and time.monotonic() - filled > 15, 20, "15 s have passed")
            ballast.unlink()
            freed, newest = time.monotonic(), max(before, channel.newest_or(before))
            until(lambda: channel.newest_or(0) > newest, 40, "new segments")
            fault.recovered = time.monotonic() - freed
            assert fault.recovered < 30
        assert channel.row["_id"] == broadcast
        assert publisher.publishing
    watch.stop()


def fill(ballast: os.PathLike[str]) -> bool:
    """Take what is left, again and again: what FFmpeg frees is gone as well."""
    with open(ballast, "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            return True
