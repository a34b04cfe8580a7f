"""The order in which a room's messages are delivered: each once, what was missed in its place."""

from collections import deque
from collections.abc import Callable, Iterable

from chat.outbox import Frame

# What is read from the record, again and again while Redis stumbles, may have been delivered.
REMEMBERED = 1000


class Order:
    """Passes frames on; those that come while it holds wait for what was missed before them."""

    def __init__(self, put: Callable[[Frame], None]) -> None:
        self._put = put
        self._known: deque[str | None] = deque(maxlen=REMEMBERED)
        self._held: list[Frame] | None = None

    def add(self, frame: Frame) -> None:
        """A message; nothing happens when it came before."""
        if frame.id in self._known:
            return
        self._known.append(frame.id)
        if self._held is None:
            self._put(frame)
        else:
            self._held.append(frame)

    def hold(self) -> None:
        if self._held is None:
            self._held = []

    def release(self, record: Iterable[Frame] = ()) -> None:
        """Go on, with the end of the record first: what of it was not delivered yet."""
        held, self._held = {frame.id: frame for frame in self._held or ()}, None
        for frame in record:
            if held.pop(frame.id, None) is not None:
                self._put(frame)
            else:
                self.add(frame)
        for frame in held.values():
            self._put(frame)
