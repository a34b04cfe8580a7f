"""Encoders: the processes that carry a run id of an installation, and a watch over all of them."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PERIOD = 0.2


@dataclass(frozen=True)
class Encoder:
    pid: int
    run: str
    stream: str
    broadcast: str  # hexadecimal


def encoders(root: Path) -> list[Encoder]:
    """Every live process that works below this HLS root; zombies have no environment."""
    return [found for pid in _pids() if (found := _encoder(pid, root)) is not None]


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _encoder(pid: int, root: Path) -> Encoder | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"LIVESTREAM_HLS_ROOT={root}".encode() not in environment:
            return None
        folder = os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
    except OSError:  # gone, or somebody else's
        return None
    prefix = b"LIVESTREAM_RUN_ID="
    run = next((entry for entry in environment if entry.startswith(prefix)), None)
    if run is None or not folder.startswith(f"{root}/"):
        return None
    stream, broadcast = folder.removeprefix(f"{root}/").split("/")[:2]
    return Encoder(pid, run.removeprefix(prefix).decode(), stream, broadcast)


class Watch:
    """Looks all the time, and remembers every moment with two processes for one broadcast."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.doubles: dict[str, set[tuple[int, ...]]] = defaultdict(set)  # by stream
        self.looks = 0

    def start(self) -> "Watch":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(PERIOD):
            self.look()

    def look(self) -> None:
        by_broadcast: dict[tuple[str, str], list[int]] = defaultdict(list)
        for encoder in encoders(self._root):
            by_broadcast[encoder.stream, encoder.broadcast].append(encoder.pid)
        for (stream, _), pids in by_broadcast.items():
            if len(pids) > 1:
                self.doubles[stream].add(tuple(sorted(pids)))
        self.looks += 1
