"""The addresses and ports this installation listens on and reaches itself at."""

import os
import re
from dataclasses import dataclass

PORTS = {
    "rtmp": ("LIVESTREAM_RTMP_PORT", 1935),
    "web": ("LIVESTREAM_WEB_PORT", 3000),
    "edge": ("LIVESTREAM_EDGE_PORT", 8080),
    "backend": ("LIVESTREAM_BACKEND_PORT", 9000),
}
# A name, an IPv4 address, or an IPv6 address in brackets.
ENDPOINT = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # nosec B104  # looked up only


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen: one address for all but perhaps RTMP and the backend, a port each.
    `backends`: every `host:port` where a web process is reached; `origins`: the edges for which
    this host's only caches; `control`: where the ingest's
    statistics are, besides its socket; `store`: where segments are delivered to. Empty: nowhere.
    """

    bind: str
    rtmp_bind: str
    backend_bind: str
    backends: tuple[str, ...]
    origins: tuple[str, ...]
    control: str
    store: str
    rtmp: int
    web: int
    edge: int
    backend: int

    @classmethod
    def read(cls, bind: str) -> "Addresses":
        """From the environment (livestream.env.read() has put the env file's values there)."""
        ports = {}
        for part, (variable, default) in PORTS.items():
            text = os.environ.get(variable) or str(default)
            if not text.isdecimal() or not 0 < int(text) < 65536:
                raise SystemExit(f"{variable} is {text!r}; write a port between 1 and 65535.")
            ports[part] = int(text)
        rtmp_bind = _numeric(os.environ.get("LIVESTREAM_RTMP_BIND") or bind)
        backend_bind = _numeric(os.environ.get("LIVESTREAM_BACKEND_BIND") or "127.0.0.1")
        own = endpoint(EVERYWHERE.get(backend_bind, backend_bind), ports["backend"])
        return cls(
            bind=_numeric(bind),
            rtmp_bind=rtmp_bind,
            backend_bind=backend_bind,
            origins=tuple(_endpoints("LIVESTREAM_EDGE_OF")),
            backends=tuple(_endpoints("LIVESTREAM_BACKENDS")) or (own,),
            control=next(iter(_endpoints("LIVESTREAM_INGEST_CONTROL")), ""),
            store=next(iter(_endpoints("LIVESTREAM_STORE")), ""),
            **ports,
        )

    @property
    def local_host(self) -> str:
        """The address at which this machine's own processes reach the parts."""
        return EVERYWHERE.get(self.bind, self.bind)

    def local(self, part: str) -> str:
        """`host:port` of a part for this machine's own processes."""
        host = EVERYWHERE.get(self.backend_bind, self.backend_bind)
        return endpoint(host if part == "backend" else self.local_host, int(getattr(self, part)))

    def listens(self, part: str) -> list[str]:
        """Every `host:port` a part listens on. FFmpeg pulls RTMP from loopback whatever bind is."""
        port = int(getattr(self, part))
        binds = {"rtmp": self.rtmp_bind, "backend": self.backend_bind}
        hosts = [binds.get(part, self.bind)]
        reached = ("127.0.0.1", "0.0.0.0")  # nosec B104  # compared with only
        if part == "rtmp" and self.rtmp_bind not in reached:
            hosts.append("127.0.0.1")
        return [endpoint(host, port) for host in hosts]


def _endpoints(variable: str) -> list[str]:
    found = os.environ.get(variable, "").replace(",", " ").split()
    for text in found:
        host, _, port = text.rpartition(":")
        if not ENDPOINT.fullmatch(host) or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SystemExit(f"{variable}: {text!r} is no host:port.")
    return found


def _numeric(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
