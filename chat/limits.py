"""How often somebody may come and speak. Pure; the clock is passed in."""

from streams.buckets import Buckets, Rate

VIEWER = Rate(burst=5, per_second=0.5)
# Several people may share an address; one person may have many names.
ADDRESS = Rate(burst=20, per_second=2.0)
# Any frame of one socket, pings and refused ones too; beyond that it is an attack.
FRAMES = Rate(burst=60, per_second=10.0)
# Sockets opened: a whole school may sit behind one address, and come back together.
CONNECTS = Rate(burst=300, per_second=30.0)


class Limits:
    """Both limits of a chatter: a new session does not help against the address's, nor a new
    address against the viewer's."""

    def __init__(
        self, viewer: Rate = VIEWER, address: Rate = ADDRESS, connects: Rate = CONNECTS
    ) -> None:
        self._viewers = Buckets(viewer)
        self._addresses = Buckets(address)
        self._connects = Buckets(connects)

    def enter(self, address: str, now: float) -> bool:
        """Count a socket of this address; whether it may stay."""
        return self._connects.admit(address, now) == 0.0

    def admit(self, viewer: str, address: str, now: float) -> float:
        """Count an action and return 0.0, or count nothing and return the seconds to wait."""
        wait = max(self._viewers.wait(viewer, now), self._addresses.wait(address, now))
        if wait == 0.0:
            self._viewers.take(viewer, now)
            self._addresses.take(address, now)
        return wait
