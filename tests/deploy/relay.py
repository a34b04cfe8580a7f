"""A relay: passes a TCP connection on from another source address, as another host would come."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def relay(source: str, host: str, port: int) -> Iterator[int]:
    """The loopback port behind which `host:port` is reached from `source`, an address of ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, source, host, port), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, source: str, host: str, port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
            far = socket.create_connection((host, port), 10, source_address=(source, 0))
        except OSError:
            return
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
