"""A channel: one stream on air with its publisher, its encoder and a viewer, and faults in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.encoders import Encoder, Watch, encoders
from tests.acceptance.playlist import Media, media, read_media, variants
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.faults.flv import Feed
from tests.faults.ledger import Entry, Ledger
from tests.faults.player import Losses, Player
from tests.faults.record import Row, record_of

SEGMENT = 2.0


@dataclass
class Fault:
    """One incident. `recovered` is the time from `struck` to what counts as recovery, when it is
    known; `remark` goes into the table."""

    struck: float
    recovered: float | None = None
    remark: str = ""
    losses: Losses | None = None  # of the viewer, since the fault struck

    def over(self) -> float:
        self.recovered = time.monotonic() - self.struck
        return self.recovered


class Channel:
    """On air from `begin` on. What it is named is the stream's name and, on loopback, its key."""

    def __init__(
        self,
        stack: Stack,
        watch: Watch,
        ledger: Ledger,
        name: str,
        publisher: Publisher | Feed,
    ) -> None:
        self.stack, self.name, self.publisher = stack, name, publisher
        self.record = record_of(stack.var)
        self._watch, self._ledger = watch, ledger
        self.path = ""

    def begin(self, seconds: float = 30) -> "Channel":
        self.publisher.start()
        return self.await_air(seconds)

    def await_air(self, seconds: float = 30) -> "Channel":
        self.path = until(
            lambda: variants(self.stack, self.name), seconds, f"a master playlist of {self.name}"
        )[0].path
        # As much as a player wants before it starts.
        until(lambda: len(self.playlist().segments) > 3, 40, f"four segments of {self.name}")
        return self

    def playlist(self) -> Media:
        return media(self.stack, self.path)

    @property
    def newest(self) -> int:
        return self.playlist().newest

    def newest_or(self, other: int) -> int:
        """Also while there is no playlist, or an empty one."""
        answer = self.stack.get(self.path)
        return read_media(answer.text, self.path).newest if answer.status == 200 else other

    def is_back(self) -> bool:
        """Whether the publisher is there; if not, it tries again, as OBS does."""
        if not self.publisher.publishing:
            self.publisher.start()
        return self.row["publisher_gone_at"] is None and self.publisher.publishing

    @property
    def row(self) -> Row:
        row = self.record.open_broadcast(self.name)
        assert row is not None, f"{self.name} has no open broadcast"
        return row

    def encoders(self) -> list[Encoder]:
        return [e for e in encoders(self.stack.hls) if e.stream == self.name]

    def encoder(self) -> Encoder:
        (found,) = until(self.encoders, 15, f"an encoder of {self.name}")
        return found

    def await_segments(self, count: int, seconds: float = 30) -> None:
        goal = self.newest + count
        until(lambda: self.newest >= goal, seconds, f"{count} more segments of {self.name}")

    def is_well(self) -> bool:
        """Whether another test may go on with it."""
        try:
            self.await_segments(1, 6)
            return self.publisher.publishing and len(self.encoders()) == 1
        except AssertionError:
            return False

    def await_new_run(self, before: Encoder, seconds: float = 40) -> None:
        """Until a segment is in the playlist that another run than this one wrote."""
        until(
            lambda: self._shows_other_than(before),
            seconds,
            f"a segment of a new run of {self.name}",
        )

    def _shows_other_than(self, encoder: Encoder) -> bool:
        answer = self.stack.get(self.path)
        if answer.status != 200:  # when its media were deleted there may be nothing to list
            return False
        return encoder.run[:8] not in read_media(answer.text, self.path).segments[-1].run

    @contextmanager
    def fault(self, what: str, settle: int = 2, deletes: bool = False) -> Iterator[Fault]:
        """A viewer watches while the body does damage and waits for the recovery. Afterwards the
        viewer goes on for `settle` segments, a row is noted, and nothing may be broken.

        `deletes`: segments that players were told of may be gone."""
        with Player(self.stack.web, self.name) as viewer:
            until(lambda: len(viewer.loaded) > 2, 30, f"a viewer watches {self.name}")
            before, fault = viewer.losses, Fault(time.monotonic())
            yield fault
            loaded = len(viewer.loaded)
            until(
                lambda: len(viewer.loaded) >= loaded + settle or viewer.crashed,
                30,
                f"the viewer of {self.name} gets {settle} more segments; {viewer.faults}",
            )
            fault.losses = _since(before, viewer.losses)
        self._ledger.add(
            Entry(what, fault.losses.stalled, fault.losses.lost, fault.recovered, fault.remark)
        )
        assert viewer.faults == (viewer.missing if deletes else [])
        assert not viewer.ended
        self.is_sound()

    def is_sound(self) -> None:
        """One encoder, that of the newest run; and there never were two."""
        until(lambda: len(self.encoders()) == 1, 10, f"one encoder of {self.name}")
        newest = until(lambda: self.record.runs(self.name), 5, "a run on record")[0]
        assert self.encoder().run == newest["_id"]
        assert self._watch.doubles.get(self.name, set()) == set()

    def note(self, entry: Entry) -> None:
        self._ledger.add(entry)

    def end(self, seconds: float = 40) -> None:
        """The publisher leaves; nothing may stay behind."""
        self.publisher.stop()
        self.await_end(seconds)

    def await_end(self, seconds: float = 40) -> None:
        self.until(lambda: self.record.open_broadcast(self.name) is None, seconds, "the end")
        self.until(lambda: not self.encoders(), 15, "no encoder")

    def until(self, look: Callable[[], object], seconds: float, what: str) -> None:
        until(look, seconds, f"{what} of {self.name}")


def _since(before: Losses, after: Losses) -> Losses:
    return Losses(
        after.stalled - before.stalled,
        after.longest_stall,
        after.lost - before.lost,
        after.discontinuities - before.discontinuities,
    )
