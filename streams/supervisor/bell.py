"""The bell: wakes a supervisor before its next round is due, or tells it to hand over."""

import os
import select


class Bell:
    """One per supervisor. `ring` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.stopping = False

    def ring(self) -> None:
        os.eventfd_write(self._fd, 1)

    def stop(self) -> None:
        """Ask the supervisor to hand over: FFmpeg goes on."""
        self.stopping = True
        self.ring()

    def wait(self, timeout: float, pidfd: int | None = None) -> None:
        """Until it rings, the process of `pidfd` ends, or so many seconds have passed."""
        # Not select(): it cannot watch descriptors above 1023.
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
        if any(fd == self._fd for fd, _ in poll.poll(timeout * 1000)):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        os.close(self._fd)
