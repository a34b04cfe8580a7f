"""The courier: a process that brings what FFmpegs of this host write to the origins of other hosts.

`python -m streams.origin.courier` knows the disk below $LIVESTREAM_VAR, the stores named by
$LIVESTREAM_DELIVER_TO and the secret, but no registry. It can be killed at any moment: what is
missing in a store is found by looking.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from streams.origin import layout
from streams.origin.delivery import Delivery
from streams.origin.run_folder import folders
from streams.origin.store import Store, StoreAway

logger = logging.getLogger("courier")

EVERY = 0.2
TOLD_EVERY = 2.0
THREADS = 8
AGAIN_AFTER = 1.0  # a store that is away

STATUS_FILE = "courier.json"
LATE = 15.0
# Another store takes segments meanwhile; by then it is known whether the lost one's host is lost as
# a whole, which its keeper's silence tells.
SURE_AFTER = 50.0


class Round:
    """All broadcasts of this host, to one store."""

    def __init__(
        self, store: Store, root: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._root = root
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "courier")
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._at_work: dict[tuple[str, str], Future[None]] = {}
        self._again_at = float("-inf")
        self.trouble = ""  # why nothing can be delivered
        self._troubled_at = 0.0

    @property
    def url(self) -> str:
        return self._store.url

    @property
    def troubled_for(self) -> float:
        """Seconds; 0 while all is well."""
        return self._clock() - self._troubled_at if self.trouble else 0.0

    def look(self) -> None:
        """Set the threads to what is there to deliver. Returns at once."""
        for key, work in list(self._at_work.items()):
            if work.done():
                del self._at_work[key]
        present = set(_broadcasts(self._root))
        for key in self._deliveries.keys() - present - self._at_work.keys():
            del self._deliveries[key]
        if self._clock() < self._again_at:
            return
        for key in present - self._at_work.keys():
            delivery = self._deliveries.get(key)
            if delivery is None:
                delivery = Delivery(self._store, self._root, *key, self._clock)
                self._deliveries[key] = delivery
            self._at_work[key] = self._threads.submit(self._deliver, delivery)

    def _deliver(self, delivery: Delivery) -> None:
        if self._clock() < self._again_at:
            return
        granted = self._store.granted
        try:
            delivery.deliver()
        except StoreAway as error:
            if not self.trouble:
                logger.error("nothing is delivered: %s", error)
                self._troubled_at = self._clock()
            self.trouble, self._again_at = str(error), self._clock() + AGAIN_AFTER
        except Exception:  # one broadcast's trouble is not the others'
            logger.exception("a delivery failed")
        else:
            if self.trouble and self._store.granted > granted:  # there may be nothing to deliver
                logger.warning("%s takes deliveries again", self._store.url)
                self.trouble = ""

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _broadcasts(root: Path) -> list[tuple[str, str]]:
    return [
        (stream.name, folder.name)
        for stream in folders(root)
        if layout.is_stream(stream.name)
        for folder in folders(stream)
        if layout.is_broadcast(folder.name)
    ]


def tell(path: Path, rounds: Sequence[Round]) -> None:
    """Why which store gets nothing, for deploy/health.py."""
    troubled = [round for round in rounds if round.trouble]
    if len(troubled) < len(rounds):
        troubled = [round for round in troubled if round.troubled_for >= SURE_AFTER]
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.write_text(json.dumps({round.url: round.trouble for round in troubled}))
    new.replace(path)


def told(path: Path) -> dict[str, str]:
    """Why which store gets nothing; under no name, why that is not known."""
    try:
        if time.time() - path.stat().st_mtime > LATE:
            return {"": "the courier has not said for a while how deliveries go; see its log"}
        found: dict[str, str] = json.loads(path.read_text())
        return found
    except (OSError, ValueError) as error:
        return {"": f"the courier does not say how deliveries go: {error}"}


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    var, secret = Path(os.environ["LIVESTREAM_VAR"]), os.environ["LIVESTREAM_INGEST_SECRET"]
    status = Path(os.environ.get("LIVESTREAM_RUN") or var / "run") / STATUS_FILE
    urls = os.environ["LIVESTREAM_DELIVER_TO"].replace(",", " ").split()
    rounds = [Round(Store(url.rstrip("/"), secret), var / "hls") for url in urls]
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    told_at = float("-inf")
    while not stopping.wait(EVERY):
        for round in rounds:
            round.look()
        if time.monotonic() - told_at >= TOLD_EVERY:
            told_at = time.monotonic()
            tell(status, rounds)
    for round in rounds:
        round.close()


if __name__ == "__main__":
    main()
