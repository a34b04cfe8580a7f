"""The timeline of a broadcast, as its page in the admin tells it."""

from dataclasses import dataclass
from datetime import datetime

from streams.models import Broadcast, Event
from streams.supervisor.states import EventKind

# A publisher that comes and goes all night must not make a page of a megabyte.
MOST_SHOWN = 300
COLOURS = {
    EventKind.FAILED: "danger",
    EventKind.STALLED: "danger",
    EventKind.DISK: "danger",
    EventKind.REFUSED: "warning",
    EventKind.PUBLISHER_LEFT: "warning",
    EventKind.TAKEN_OVER: "warning",
    EventKind.SHED: "warning",
    EventKind.NO_ROOM: "warning",
    EventKind.ADVICE: "warning",
    EventKind.LIVE: "success",
    EventKind.RESTORED: "success",
    EventKind.PUBLISHED: "info",
    EventKind.RECONNECTED: "info",
    EventKind.ADOPTED: "info",
    EventKind.RETRIED: "info",
}


@dataclass(frozen=True)
class Line:
    at: datetime
    what: str
    colour: str
    text: str
    run: int | None


def lines(broadcast: Broadcast) -> list[Line]:
    """Newest first."""
    newest = Event.objects.filter(broadcast=broadcast).order_by("-at")[:MOST_SHOWN]
    return [
        Line(
            at=event.at,
            what=event.kind.replace("_", " "),
            colour=COLOURS.get(EventKind(event.kind), "default"),
            text=event.text,
            run=event.run_number,
        )
        for event in newest
    ]
