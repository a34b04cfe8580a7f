"""The addresses and ports this installation listens on and reaches itself at."""

import os
from dataclasses import dataclass

PORTS = {
    "rtmp": ("LIVESTREAM_RTMP_PORT", 1935),
    "web": ("LIVESTREAM_WEB_PORT", 3000),
    "edge": ("LIVESTREAM_EDGE_PORT", 8080),
    "backend": ("LIVESTREAM_BACKEND_PORT", 9000),
}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # nosec B104  # looked up only


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen: one address for all but perhaps RTMP, a port each."""

    bind: str
    rtmp_bind: str
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
        rtmp_bind = os.environ.get("LIVESTREAM_RTMP_BIND") or bind
        return cls(bind=_numeric(bind), rtmp_bind=_numeric(rtmp_bind), **ports)

    @property
    def local_host(self) -> str:
        """The address at which this machine's own processes reach the parts."""
        return _EVERYWHERE.get(self.bind, self.bind)

    def local(self, part: str) -> str:
        """`host:port` of a part for this machine's own processes."""
        return endpoint(self.local_host, int(getattr(self, part)))

    def listens(self, part: str) -> list[str]:
        """Every `host:port` a part listens on. FFmpeg pulls RTMP from loopback whatever bind is."""
        port = int(getattr(self, part))
        hosts = [self.rtmp_bind if part == "rtmp" else self.bind]
        reached = ("127.0.0.1", "0.0.0.0")  # nosec B104  # compared with only
        if part == "rtmp" and self.rtmp_bind not in reached:
            hosts.append("127.0.0.1")
        return [endpoint(host, port) for host in hosts]


def _numeric(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
