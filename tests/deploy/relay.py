"""A relay: passes TCP connections on from another source address, or into another network."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Connect = Callable[[], socket.socket]


@contextlib.contextmanager
def relay(connect: Connect) -> Iterator[int]:
    """The loopback port behind which is what `connect` connects to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, connect), daemon=True).start()
        yield int(listener.getsockname()[1])


def from_address(source: str, host: str, port: int) -> Connect:
    """As another host would come; the source is an address of ours."""
    return lambda: socket.create_connection((host, port), 10, source_address=(source, 0))


def _accept(listener: socket.socket, connect: Connect) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(near, connect), daemon=True).start()


def _serve(near: socket.socket, connect: Connect) -> None:
    try:
        far = connect()
    except OSError:
        near.close()
        return
    far.settimeout(None)  # that of connecting; one side may have nothing to say for long
    back = threading.Thread(target=_pass_on, args=(far, near), daemon=True)
    back.start()
    _pass_on(near, far)
    back.join()
    near.close()
    far.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    # A client that has sent everything may still be waiting for its answer.
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
