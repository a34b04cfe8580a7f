"""The health checks of containers: whether one server answers, or one file is fresh.

`python -m deploy.probe URL [STATUS]` asks `http://host:port/path` or `unix:/socket:/path`;
`python -m deploy.probe --younger SECONDS PATTERN` looks at the newest file of a pattern. It exits 1
and says what it found. It is called every few seconds, so it imports nothing of the product.
"""

import argparse
import glob
import http.client
import os
import socket
import sys
import time
from urllib.parse import urlsplit

TIMEOUT = 4.0


class Unwell(Exception):
    """What was found instead."""


def ask(url: str, wanted: int) -> None:
    """One GET. Raises Unwell unless the answer has the wanted status."""
    connection, path = _open(url)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        answer = connection.getresponse()
        body = answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"{url}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != wanted:
        raise Unwell(f"{url} answers {answer.status} instead of {wanted}: {body}")


def _open(url: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    if parts.scheme == "http":
        query = f"?{parts.query}" if parts.query else ""
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT), parts.path + query
    place, _, path = url.removeprefix("unix:").partition(":")
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(TIMEOUT)
    try:
        connection.sock.connect(place)
    except OSError as error:
        connection.close()
        raise Unwell(f"{place}: {error}") from error
    return connection, path


def look(pattern: str, younger: float, now: float) -> None:
    """Raises Unwell unless a file of the pattern was written within so many seconds."""
    times = [os.stat(path).st_mtime for path in glob.glob(pattern)]
    if not times:
        raise Unwell(f"there is no {pattern} yet")
    age = now - max(times)
    if age > younger:
        raise Unwell(f"{pattern} was last written {age:.0f} s ago")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("status", nargs="?", type=int, default=200)
    parser.add_argument("--younger", type=float, metavar="SECONDS")
    arguments = parser.parse_args()
    try:
        if arguments.younger is None:
            ask(arguments.target, arguments.status)
        else:
            look(arguments.target, arguments.younger, time.time())
    except Unwell as found:
        sys.stderr.write(f"{found}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
