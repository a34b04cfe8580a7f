"""The environment: every variable the product reads, with its type and default.

`deploy/env.example` lists the same variables for people. The file named by LIVESTREAM_ENV
(default: `env` in the state folder) is read first; real environment variables win over it.
Secrets may be in files of their own (livestream/secret.py).
"""

import ipaddress
import math
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from livestream.redis_routes import RedisRoutes, Sentinels
from livestream.secret import read_secret
from streams.origin.pressure import Watermark

ROOT = Path(__file__).resolve().parent.parent
# What one host may run; deploy/sh/process.sh knows how.
PROCESSES = ("redis", "origin", "web", "worker", "beat", "ingest", "edge")
HOST_ID = re.compile(r"[a-z0-9]{8}")
SIZE = re.compile(r"[1-9][0-9]*[kmg]?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Environment:
    """What the environment says, typed. Durations in seconds, sizes in bytes."""

    secret_key: str = field(repr=False)
    debug: bool
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    https: bool
    backend_bind: str
    trusted_edges: list[Network]
    host: str
    host_id: str
    var: Path
    run: str
    origin: str
    sqlite: Path
    mongodb_uri: str = field(repr=False)
    mongodb_name: str
    redis: RedisRoutes = field(repr=False)
    public_api_url: str
    public_ws_url: str
    public_hls_url: str
    rtmp_url: str
    bind: str
    open_ingest: str
    ingest_secret: str = field(repr=False)
    ingest_url: str
    ingest_node: str
    ingest_control: str
    workers: list[Network]
    deliver_to: list[str]
    edge_cache: str
    processes: list[str]
    rtmp_pull_url: str
    rtmp_per_address: int
    ffmpeg_nice: int
    ffmpeg_memory: int
    ffmpeg_cores: float
    cpu_share: float
    disk_low: Watermark
    disk_min_free: Watermark
    most_broadcasts: int
    time_zone: str


def read() -> Environment:
    """Read the environment. Raises ImproperlyConfigured, naming the variable that is wrong."""
    var = Path(os.environ.get("LIVESTREAM_VAR") or ROOT / "var").resolve()
    env_file = Path(os.environ.get("LIVESTREAM_ENV") or var / "env")
    if env_file.is_file():
        environ.Env.read_env(env_file)
    env = environ.Env()
    run = env.str("LIVESTREAM_RUN", default="") or f"{var}/run"
    ingest_control = env.str("LIVESTREAM_INGEST_CONTROL", default="")
    rtmp_port = env.int("LIVESTREAM_RTMP_PORT", default=1935)
    host_id = _host_id(var)
    return Environment(
        secret_key=read_secret("SECRET_KEY"),
        debug=_boolean("DEBUG"),
        allowed_hosts=env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]),
        csrf_trusted_origins=env.list("CSRF_TRUSTED_ORIGINS", default=[]),
        https=_boolean("LIVESTREAM_HTTPS"),
        backend_bind=env.str("LIVESTREAM_BACKEND_BIND", default=""),
        trusted_edges=_networks(env, "LIVESTREAM_TRUSTED_EDGE") + _own_edge(env),
        host=_host(host_id),
        host_id=host_id,
        var=var,
        run=run,
        origin=env.str("LIVESTREAM_ORIGIN", default="") or f"unix:{run}/origin.sock",
        sqlite=Path(env.str("LIVESTREAM_SQLITE", default="") or var / "livestream.sqlite3"),
        mongodb_uri=read_secret("MONGODB_URI"),
        mongodb_name=env.str("MONGODB_NAME", default=""),
        redis=_redis(env),
        public_api_url=_public(env, "PUBLIC_API_URL", "/api"),
        public_ws_url=_public(env, "PUBLIC_WS_URL", "/ws"),
        public_hls_url=_public(env, "PUBLIC_HLS_URL", "/hls"),
        rtmp_url=env.str("LIVESTREAM_RTMP_URL", default="") or f"rtmp://localhost:{rtmp_port}/live",
        bind=env.str("LIVESTREAM_BIND", default="") or "127.0.0.1",
        open_ingest=_choice(env, "LIVESTREAM_OPEN_INGEST", ("off", "loopback")),
        ingest_secret=read_secret("LIVESTREAM_INGEST_SECRET"),
        ingest_url=env.str("LIVESTREAM_INGEST_URL", default="") or f"unix:{run}/ingest.sock",
        ingest_node=env.str("LIVESTREAM_INGEST_NODE", default="")
        # Others know it by its name, so no two may have the same.
        or (socket.gethostname()[:63] if ingest_control else "local"),
        ingest_control=ingest_control,
        workers=_networks(env, "LIVESTREAM_WORKERS"),
        deliver_to=[url.rstrip("/") for url in _words(env, "LIVESTREAM_DELIVER_TO")],
        edge_cache=_size(env, "LIVESTREAM_EDGE_CACHE", "10g"),
        processes=_processes(env, "LIVESTREAM_PROCESSES"),
        rtmp_pull_url=env.str("LIVESTREAM_RTMP_PULL_URL", default="")
        or f"rtmp://127.0.0.1:{rtmp_port}/live",
        # nginx counts no further.
        rtmp_per_address=int(_number(env, "LIVESTREAM_RTMP_PER_ADDRESS", 50, most=65535)),
        ffmpeg_nice=int(_number(env, "LIVESTREAM_FFMPEG_NICE", 5, most=19)),
        ffmpeg_memory=int(_number(env, "LIVESTREAM_FFMPEG_MEMORY", 4_000_000_000)),
        ffmpeg_cores=_number(env, "LIVESTREAM_FFMPEG_CORES", 0),
        cpu_share=_number(env, "LIVESTREAM_CPU_SHARE", 0.9, most=1),
        disk_low=_watermark(env, "LIVESTREAM_DISK_LOW", "1000000000,10%"),
        disk_min_free=_watermark(env, "LIVESTREAM_DISK_MIN_FREE", "200000000,5%"),
        most_broadcasts=env.int("LIVESTREAM_MOST_BROADCASTS", default=100),
        time_zone=env.str("TZ", default="") or "UTC",
    )


def need_secret_key(env: Environment) -> str:
    """Django's key. Raises ImproperlyConfigured when there is none; nginx does without."""
    if not env.secret_key:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. `./deploy/app.sh setup` makes one; by hand: put "
            "SECRET_KEY=<50 random characters> into the environment or into var/env, or let "
            "SECRET_KEY_FILE name a file that holds it."
        )
    return env.secret_key


def _host(mark: str) -> str:
    """By which workers know what is their own."""
    name = socket.gethostname()
    return f"{name[:54]}-{mark}" if mark else name[:63]


def _host_id(var: Path) -> str:
    """What stays when a machine is renamed. Two machines may have one name, so setup gives each
    state folder an id; containers have none, and names of their own."""
    file = var / "host-id"
    if not file.exists():
        return ""
    mark = file.read_text().strip()
    if not HOST_ID.fullmatch(mark):
        raise ImproperlyConfigured(
            f"{file} is damaged. Remove it and call ./deploy/app.sh setup, which writes a new one."
        )
    return mark


def _redis(env: environ.Env) -> RedisRoutes:
    hosts: str = env.str("REDIS_SENTINELS", default="")
    master: str = env.str("REDIS_MASTER", default="") or "livestream"
    password = read_secret("REDIS_SENTINEL_PASSWORD")
    try:
        sentinels = Sentinels.parse(hosts, master, password) if hosts else None
    except ValueError as wrong:
        raise ImproperlyConfigured(
            f"REDIS_SENTINELS: {wrong}; write host:port,host:port,host:port."
        ) from None
    return RedisRoutes.plan(
        read_secret("REDIS_URL") or "redis://127.0.0.1:6379/0",
        cache=read_secret("REDIS_CACHE_URL"),
        channels=read_secret("REDIS_CHANNELS_URL"),
        broker=read_secret("REDIS_BROKER_URL"),
        sentinels=sentinels,
        ca_file=env.str("REDIS_CA_FILE", default=""),
    )


def _boolean(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value in ("", "0", "false", "no", "off"):
        return False
    if value in ("1", "true", "yes", "on"):
        return True
    raise ImproperlyConfigured(f"{name} is {value!r}; write true or false.")


def _choice(env: environ.Env, name: str, choices: tuple[str, ...]) -> str:
    value: str = env.str(name, default="") or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes {' or '.join(choices)}.")
    return value


def _number(env: environ.Env, name: str, default: float, most: float = math.inf) -> float:
    value: str = env.str(name, default="") or str(default)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:
        limit = f" and at most {most:g}" if most < math.inf else ""
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes a number of at least 0{limit}.")
    return number


def _words(env: environ.Env, name: str) -> list[str]:
    value: str = env.str(name, default="")
    return value.replace(",", " ").split()


def _size(env: environ.Env, name: str, default: str) -> str:
    value: str = env.str(name, default="") or default
    if not SIZE.fullmatch(value):
        raise ImproperlyConfigured(f"{name} is {value!r}; write bytes, or 500m, or 10g.")
    return value


def _networks(env: environ.Env, name: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(word) for word in _words(env, name)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {error}; write addresses or networks: 10.0.0.5, 10.0.1.0/24."
        ) from None


def _own_edge(env: environ.Env) -> list[Network]:
    """An edge beside the web reaches it where that listens, and comes from there as well."""
    try:
        address = ipaddress.ip_address(env.str("LIVESTREAM_BACKEND_BIND", default=""))
    except ValueError:  # none, or a name
        return []
    beside = "edge" in _processes(env, "LIVESTREAM_PROCESSES")
    return [ipaddress.ip_network(address)] if beside and not address.is_unspecified else []


def _processes(env: environ.Env, name: str) -> list[str]:
    """Two more come by themselves: `courier` where a worker delivers, `keeper` beside a store."""
    words = _words(env, name) or list(PROCESSES)
    if unknown := set(words) - set(PROCESSES):
        raise ImproperlyConfigured(
            f"{name}: there is no {' or '.join(sorted(unknown))}; there are {' '.join(PROCESSES)}."
        )
    delivers = "worker" in words and bool(_words(env, "LIVESTREAM_DELIVER_TO"))
    return words + ["courier"] * delivers + ["keeper"] * bool(_words(env, "LIVESTREAM_STORE"))


def _watermark(env: environ.Env, name: str, default: str) -> Watermark:
    value: str = env.str(name, default="") or default
    try:
        return Watermark.parse(value)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; write bytes, a percentage, or both: 1000000000,10%."
        ) from None


def _public(env: environ.Env, name: str, path: str) -> str:
    """A public base URL with its path, which people write or leave out; empty: same origin."""
    value: str = env.str(name, default="") or env.str(f"NEXT_{name}", default="")
    value = value.rstrip("/")
    return value if not value or value.endswith(path) else value + path
