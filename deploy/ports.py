"""Whether the ports are free, and whose they are when not.

`python -m deploy.ports [redis]` exits 1 and says, for each port that is taken, which program has
it and what to do. It reads /proc, so it needs no `ss`; another user's program only root can name.
"""

import errno
import os
import re
import socket
import sys
from pathlib import Path

from deploy.addresses import PORTS, Addresses, endpoint
from deploy.redis_server import RedisAddress
from livestream import env as environment

LISTEN = "0A"
RUN_BY = {"rtmp": "ingest", "web": "edge", "edge": "edge", "backend": "web"}
VARIABLES = {
    "rtmp": "LIVESTREAM_RTMP_PORT=1936",
    "web": "LIVESTREAM_WEB_PORT=3001",
    "edge": "LIVESTREAM_EDGE_PORT=8081",
    "backend": "LIVESTREAM_BACKEND_PORT=9001",
    "control": "LIVESTREAM_INGEST_CONTROL=HOST:8191",
    "store": "LIVESTREAM_STORE=HOST:8092",
    "redis": "REDIS_URL=redis://127.0.0.1:6380/0",
}


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises SystemExit if the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except PermissionError:
            raise SystemExit(
                f"Port {port} may only be used by root; choose one above 1023."
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise SystemExit(f"{host} is not an address of this machine.") from None
            return False
    return True


def listening_inodes(table: str, port: int) -> set[str]:
    """The socket inodes that listen on a port, in the text of /proc/net/tcp or tcp6."""
    inodes = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(fields[9])
    return inodes


def owner(port: int) -> str:
    """`nginx (pid 812)`, or who it may be when this user cannot see it."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            inodes |= listening_inodes(Path(table).read_text(), port)
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and inodes & _sockets(process):
            name = (process / "comm").read_text().strip()
            return f"{name} (pid {process.name})"
    return "a program of another user (`sudo ss -ltnp` names it)"


def _sockets(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
            if match:
                found.add(match[1])
    except OSError:
        pass  # it ended, or is not ours to look at
    return found


def wanted(with_redis: bool) -> list[tuple[str, str, int]]:
    """What is going to listen: part, host, port."""
    env = environment.read()
    addresses = Addresses.read(env.bind)
    found: list[tuple[str, str, int]] = []
    for part in (part for part in PORTS if RUN_BY[part] in env.processes):
        for listen in addresses.listens(part):
            host, _, port = listen.rpartition(":")
            found.append((part, host.strip("[]"), int(port)))
    for part, process in (("control", "ingest"), ("store", "edge")):
        if (place := getattr(addresses, part)) and process in env.processes:
            host, _, port = place.rpartition(":")
            found.append((part, host.strip("[]"), int(port)))
    if with_redis:
        redis = RedisAddress.parse(env.redis.url)
        found.append(("redis", redis.host, redis.port))
    return found


def main(arguments: list[str]) -> int:
    taken = [place for place in wanted("redis" in arguments) if not is_free(*place[1:])]
    for part, host, port in taken:
        sys.stderr.write(
            f"{endpoint(host, port)} ({part}) is taken by {owner(port)}.\n"
            f"  Stop that program, or choose another: {VARIABLES[part]} ./deploy/app.sh setup\n"
        )
    return 1 if taken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
