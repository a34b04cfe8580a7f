"""System checks: what is wrong with the set-up is said at start-up, not at midnight."""

import shutil
import ssl
from collections.abc import Collection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from streams.disk import measure

# A unix socket's path, with its ending NUL, has 108 bytes.
LONGEST_SOCKET_PATH = 107
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
# Two of them have to agree that the master is gone.
FEWEST_SENTINELS = 3


@register(Tags.compatibility)
def check_programs(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{program} is not on the PATH.",
            hint="`./deploy/app.sh setup` installs it; by hand: apt-get install ffmpeg.",
            id="streams.E001",
        )
        for program in ("ffmpeg", "ffprobe")
        if shutil.which(program) is None
    ]


@register(Tags.security)
def check_ingest_secret(**_: Any) -> list[CheckMessage]:
    if settings.INGEST_SECRET:
        return []
    return [
        Error(
            "LIVESTREAM_INGEST_SECRET is not set, so nobody can publish.",
            hint="`./deploy/app.sh setup` makes one; the ingest sends it with every hook.",
            id="streams.E002",
        )
    ]


@register(Tags.database)
def check_database(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Only where databases are asked for, as `migrate` does: the others need none."""
    return [
        Error(
            f"The database does not answer: {error}"[:500],
            hint="Is it running, and do MONGODB_URI's host, user and password fit?"
            if connections[alias].vendor == "mongodb"
            else "May this user write to the state folder, and is its disk well?",
            id="streams.E003",
        )
        for alias in databases or ()
        if (error := _trouble(alias))
    ]


def _trouble(alias: str) -> str:
    try:
        connections[alias].ensure_connection()
        connections[alias].get_database_version()
    except DatabaseError as error:
        return str(error)
    return ""


@register(Tags.urls)
def check_addresses(**_: Any) -> list[CheckMessage]:
    """Addresses of a wrong shape would fail only when the first stream goes on air."""
    wanted = {
        "PUBLIC_API_URL": (settings.PUBLIC_API_URL, ("http", "https")),
        "PUBLIC_WS_URL": (settings.PUBLIC_WS_URL, ("ws", "wss")),
        "PUBLIC_HLS_URL": (settings.PUBLIC_HLS_URL, ("http", "https")),
        "LIVESTREAM_INGEST_URL": (settings.INGEST_URL, ("unix", "http")),
        "LIVESTREAM_RTMP_PULL_URL": (settings.RTMP_PULL_URL, ("rtmp",)),
        **{
            f"LIVESTREAM_DELIVER_TO ({number})": (url, ("http",))
            for number, url in enumerate(settings.DELIVER_TO, 1)
        },
    }
    return [
        Error(
            f"{name} is {url!r}; it begins with {' or '.join(s + ':' for s in schemes)}.",
            id="streams.E004",
        )
        for name, (url, schemes) in wanted.items()
        if url and urlsplit(url).scheme not in schemes
    ]


@register(Tags.caches)
def check_redis(**_: Any) -> list[CheckMessage]:
    return [Error(problem, id="streams.E010") for problem in settings.ENV.redis.problems()]


@register(Tags.caches)
def check_redis_authority(**_: Any) -> list[CheckMessage]:
    """A wrong file would show only when the first connection is made, as an error of TLS."""
    file = settings.ENV.redis.ca_file
    try:
        if file:
            ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        return [
            Error(
                f"REDIS_CA_FILE names {file}, which holds no certificates: {error}",
                hint="It is the PEM file of the authority that signed Redis' certificate.",
                id="streams.E011",
            )
        ]
    return []


@register(Tags.caches)
def check_sentinels(**_: Any) -> list[CheckMessage]:
    sentinels = settings.ENV.redis.sentinels
    if sentinels is None or len(sentinels.hosts) >= FEWEST_SENTINELS:
        return []
    return [
        Warning(
            f"REDIS_SENTINELS names {len(sentinels.hosts)}; too few to agree on a master's end.",
            hint="Name all of them, at least three, each on a host of its own.",
            id="streams.W010",
        )
    ]


@register(Tags.files)
def check_socket_path(**_: Any) -> list[CheckMessage]:
    path = settings.INGEST_URL.removeprefix("unix:")
    if path == settings.INGEST_URL or len(path.encode()) <= LONGEST_SOCKET_PATH:
        return []
    return [
        Error(
            f"The path of the ingest's socket is longer than a socket's can be: {path}",
            hint="Set LIVESTREAM_VAR to a shorter folder.",
            id="streams.E005",
        )
    ]


@register(Tags.files)
def check_watermarks(**_: Any) -> list[CheckMessage]:
    there = next(path for path in (settings.HLS_ROOT, *settings.HLS_ROOT.parents) if path.is_dir())
    room = measure(there)
    if 0 < room.scarce < room.low < shutil.disk_usage(there).total:
        return []
    return [
        Error(
            f"LIVESTREAM_DISK_LOW asks for {room.low} free bytes and LIVESTREAM_DISK_MIN_FREE for "
            f"{room.scarce}, on a disk of {shutil.disk_usage(there).total}.",
            hint="The first has to be the greater one, and less than the disk.",
            id="streams.E006",
        )
    ]


@register(Tags.security, deploy=True)
def check_open_ingest(**_: Any) -> list[CheckMessage]:
    if not settings.OPEN_INGEST:
        return []
    return [
        Warning(
            "Programs on this machine may publish without a key.",
            hint="Set LIVESTREAM_OPEN_INGEST=off and DEBUG=false.",
            id="streams.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_mongodb_password(**_: Any) -> list[CheckMessage]:
    # Several hosts stand between commas, which urlsplit leaves alone.
    login, _at, hosts = urlsplit(settings.MONGODB_URI).netloc.rpartition("@")
    named = {host.rpartition(":")[0] or host for host in hosts.split(",")}
    by_certificate = "MONGODB-X509" in settings.MONGODB_URI
    if login or by_certificate or named <= LOOPBACK | {""}:
        return []
    return [
        Warning(
            "MONGODB_URI has no user and password, and its host is not this machine.",
            hint="Start mongod with --auth, and write mongodb://USER:PASSWORD@HOST/….",
            id="streams.W002",
        )
    ]


@register(Tags.compatibility)
def check_several_hosts(**_: Any) -> list[CheckMessage]:
    """A database in a file is on the host of all who use it."""
    elsewhere = {"web", "worker"} - set(settings.ENV.processes)
    if settings.MONGODB_URI or len(elsewhere) != 1:
        return []
    return [
        Error(
            f"This host runs no {elsewhere.pop()}, and its database is a file that no other host "
            "can use.",
            hint="Set MONGODB_URI on every host of web, worker and beat.",
            id="streams.E012",
        )
    ]


@register(Tags.security, deploy=True)
def check_plain_http(**_: Any) -> list[CheckMessage]:
    env = settings.ENV
    places = [env.bind]
    # Behind a bridge of containers every address is bound; what is published of it, `bind` says.
    if "web" in env.processes and env.backend_bind not in ("", "0.0.0.0", "::"):  # nosec B104
        places.append(env.backend_bind)
    open_to_others = [place for place in places if not _is_loopback(place)]
    if env.https or not open_to_others:
        return []
    return [
        Warning(
            f"Pages are served by plain HTTP on {open_to_others[0]}, so passwords and sessions "
            "travel readable.",
            hint="Put an HTTPS server in front and set LIVESTREAM_HTTPS=true; `./deploy/app.sh "
            "setup --domain NAME` writes what belongs to it.",
            id="streams.W011",
        )
    ]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@register(Tags.security)
def check_trusted_edges(**_: Any) -> list[CheckMessage]:
    env = settings.ENV
    alone = not env.backend_bind or _is_loopback(env.backend_bind)
    if alone or env.trusted_edges or "web" not in env.processes:
        return []
    return [
        Warning(
            "Edges on other hosts ask this web, and LIVESTREAM_TRUSTED_EDGE names none of them, so "
            "all viewers are one address to the limits of logins, API and chat.",
            hint="Set LIVESTREAM_TRUSTED_EDGE to the addresses or the network of the edges.",
            id="streams.W012",
        )
    ]
