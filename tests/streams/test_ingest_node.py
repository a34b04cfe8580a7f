"""The ingest's own HTTP, when it does not answer."""

import socket
import threading
import time

import pytest

from streams.ingest_node import TIMEOUT, IngestNode, IngestUnreachable


def test_a_node_that_hangs_costs_all_who_ask_one_time_out_together() -> None:
    """A hundred supervisors look at the same page; one after the other they would lose their
    leases meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        node = IngestNode(f"http://127.0.0.1:{silent.getsockname()[1]}")
        failures: list[IngestUnreachable] = []

        def look() -> None:
            with pytest.raises(IngestUnreachable) as failure:
                node.publishers()
            failures.append(failure.value)

        threads = [threading.Thread(target=look) for _ in range(8)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 8
        # The first may have been under way before the last came.
        assert time.monotonic() - began < 3 * TIMEOUT
