"""`python -m tests.faults.lease_race SECONDS`: workers that pass one lease around.

Prints "begun", and at the end as JSON how often one of them had it, how often one does not know,
and the row's fence.
"""

import json
import sys
import threading
import time

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connections  # noqa: E402

from streams import identity, lease  # noqa: E402
from streams.models import Broadcast, Stream  # noqa: E402

WORKERS = 4


class Race:
    def __init__(self, seconds: float) -> None:
        stream = Stream.objects.create(name="wanted")
        self._row = Broadcast.objects.create(stream=stream, open_key=stream.pk)
        self._over = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.won = self.unknown = 0

    def run(self) -> None:
        threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        name = identity.make()
        while time.monotonic() < self._over:
            won = unknown = False
            try:
                held = lease.acquire(self._row.pk, name)
                won = held is not None
                while held is not None and not self._is_released(held):
                    pass
            except DatabaseError:
                unknown = True
            with self._lock:
                self.won += won
                self.unknown += unknown
        connections.close_all()

    @staticmethod
    def _is_released(held: lease.Lease) -> bool:
        """Also by an answer that was lost."""
        try:
            return lease.release(held) or not lease.held(held).exists()
        except DatabaseError:
            return False

    @property
    def fence(self) -> int:
        return Broadcast.objects.get(pk=self._row.pk).fence


def main() -> None:
    call_command("migrate", verbosity=0)
    race = Race(float(sys.argv[1]))
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    race.run()
    json.dump({"won": race.won, "unknown": race.unknown, "fence": race.fence}, sys.stdout)


if __name__ == "__main__":
    main()
