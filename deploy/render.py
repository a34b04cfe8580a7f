"""Configuration files: a template and the environment in, a file in $LIVESTREAM_VAR/conf out.

`python -m deploy.render ingest.conf edge.conf` writes them with mode 0600, because the ingest's
holds the secret it shows to Django.
"""

import os
import re
import resource
import socket
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from string import Template

from deploy.addresses import EVERYWHERE, Addresses
from deploy.redis_server import RedisAddress
from livestream import env as environment

FOLDER = Path(__file__).resolve().parent
TEMPLATES = {
    "ingest.conf": FOLDER / "nginx/ingest.conf.template",
    "edge.conf": FOLDER / "nginx/edge.conf.template",
    "edge-cache.conf": FOLDER / "nginx/edge-cache.conf.template",
    "http.conf": FOLDER / "nginx/http.conf.template",
    "live.conf": FOLDER / "nginx/live.conf.template",
    "redis.conf": FOLDER / "redis.conf.template",
}
INCLUDED = {"edge.conf": ("http.conf", "live.conf"), "edge-cache.conf": ("http.conf",)}
CONTROL = FOLDER / "nginx/control.conf.template"
STORE = FOLDER / "nginx/store.conf.template"
# No file of its own: edge and ingest are rendered in the same moment.
NETWORK = FOLDER / "nginx/network.conf.template"
MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/share/nginx/modules"))
# A value must not be able to end the quotes or the line it stands in.
UNSAFE = re.compile(r"[\"'\\;{}$\n\r]")
UNSAFE_SHOWN = "\" ' \\ ; { } $"


class ConfigTemplate(Template):
    """Placeholders are written %{name}: nginx has its own use for the dollar sign."""

    delimiter = "%"


def fill(text: str, values: dict[str, str]) -> str:
    """Raises SystemExit naming the placeholder that has no value."""
    try:
        return ConfigTemplate(text).substitute(values)
    except KeyError as missing:
        raise SystemExit(
            f"The template wants %{{{missing.args[0]}}}, which has no value."
        ) from None


def scalars(env: environment.Environment, addresses: Addresses) -> dict[str, str]:
    """The values that stand inside quotes, but for secrets. Raises SystemExit naming one that would
    break out."""
    redis = RedisAddress.parse(env.redis.url)
    told = told_of_ingest(env, addresses)
    values = {
        "var": str(env.var),
        "run": env.run,
        "origin": env.origin,
        "ingest_node": env.ingest_node,
        "control": addresses.control,
        "store": addresses.store,
        "told_control": told[0],
        "told_pull": told[1],
        "redis_host": "127.0.0.1" if redis.host == "localhost" else redis.host,
        "redis_port": str(redis.port),
    }
    for name, value in values.items():
        if UNSAFE.search(value) or (name == "run" and ":" in value):
            raise SystemExit(f"{name} ({value!r}) has a character that cannot stand in a config.")
    return values


def secrets(names: Collection[str], env: environment.Environment, store: bool) -> dict[str, str]:
    """Those that these configs hold; the edge does without any. Raises SystemExit without telling
    them."""
    values = {}
    if "ingest.conf" in names or store:
        values["ingest_secret"] = env.ingest_secret
        if not env.ingest_secret:
            raise SystemExit(
                "LIVESTREAM_INGEST_SECRET is not set; `./deploy/app.sh setup` makes one."
            )
    if "redis.conf" in names:
        values["redis_password"] = RedisAddress.parse(env.redis.url).password
    for name, value in values.items():
        if UNSAFE.search(value):
            raise SystemExit(
                f"{name} has a character that cannot stand in a config: one of {UNSAFE_SHOWN}"
            )
    return values


def told_of_ingest(env: environment.Environment, addresses: Addresses) -> tuple[str, str]:
    """Where other hosts reach the ingest's /control and its streams; empty: they do not."""
    if not addresses.control:
        return "", ""
    host = addresses.control.rpartition(":")[0]
    control, pull = env.ingest_url, os.environ.get("LIVESTREAM_RTMP_PULL_URL", "")
    if control.startswith("unix:"):
        if host.strip("[]") in EVERYWHERE:
            raise SystemExit(
                f"LIVESTREAM_INGEST_CONTROL={addresses.control} does not say where other hosts "
                "reach the ingest; write this host's internal address, or LIVESTREAM_INGEST_URL="
                "http://NAME:PORT and LIVESTREAM_RTMP_PULL_URL=rtmp://NAME:PORT/live besides."
            )
        control = f"http://{addresses.control}"
    if not pull and addresses.rtmp_bind not in (*EVERYWHERE, host.strip("[]")):
        raise SystemExit(
            f"Other hosts are to pull streams from {host}, but RTMP listens on "
            f"{addresses.rtmp_bind} only; set LIVESTREAM_RTMP_BIND."
        )
    return control, pull or f"rtmp://{host}:{addresses.rtmp}/live"


def spares(env: environment.Environment, addresses: Addresses) -> tuple[str, ...]:
    """The webs that have the media, and so can stand in for the origin. Where segments are
    delivered to this host, those of others have none, and would say that nothing is on air."""
    if not addresses.store:
        return addresses.backends
    return (addresses.local("backend"),) if "web" in env.processes else ()


def lines(env: environment.Environment, addresses: Addresses, soft_limit: int) -> dict[str, str]:
    """The values that are whole directives."""
    proxies = os.environ.get("LIVESTREAM_TRUSTED_PROXY", "").replace(",", " ").split()
    if env.https and not proxies:
        # Something in front speaks TLS; on one machine it comes from loopback.
        proxies = ["127.0.0.1", "::1"]
    for proxy in proxies:
        if not re.fullmatch(r"[0-9a-fA-F.:/]+", proxy):
            raise SystemExit(f"LIVESTREAM_TRUSTED_PROXY: {proxy!r} is not an address or network.")
    workers = [str(network) for network in env.workers]
    # One that is away is the only one, or is left alone for a while.
    patience = "max_fails=1 fail_timeout=10s" if addresses.backends[1:] else "max_fails=0"
    # A proxied connection takes two descriptors.
    connections = max(256, min(8192, soft_limit // 2))
    ingest_connections = max(256, min(8192, soft_limit - 64))
    return {
        # Only root may give a user; anybody else's nginx stays who it is.
        "user": "user root;" if os.geteuid() == 0 else "",
        "worker_connections": str(connections),
        "ingest_connections": str(ingest_connections),
        # A publisher takes three: its own, and both ends of the one behind it. Hooks need some.
        "rtmp_connections": str(ingest_connections // 4),
        "rtmp_limit": f"limit_conn publishers {env.rtmp_per_address};"
        if env.rtmp_per_address
        else "",
        "known_workers": _each("{} 1;", workers),
        "inner_rtmp": f"127.0.0.1:{free_port()}",
        "rtmp_listens": _each("listen {} so_keepalive=10s:5s:3;", addresses.listens("rtmp")),
        "web_listens": _each("listen {} backlog=1024;", addresses.listens("web")),
        "edge_listens": _each("listen {} backlog=1024;", addresses.listens("edge")),
        "backends": _each(f"server {{}} {patience};", addresses.backends),
        "spare_backends": _each(f"server {{}} {patience} backup;", spares(env, addresses)),
        # Not in turn: of two origins, one may be a segment ahead of the other.
        "origins": "\n".join(
            f"server {origin} max_fails=2 fail_timeout=5s{' backup' if number else ''};"
            for number, origin in enumerate(addresses.origins)
        ),
        "cache_size": env.edge_cache,
        "allow_play": _each("allow play {};", workers),
        "allow_workers": _each("allow {};", workers),
        "real_ip_from": _each("set_real_ip_from {};", proxies),
        "trusted": _each("{} 1;", proxies),
    }


def free_port() -> int:
    """One of this moment, for what nobody else has to find. If somebody is quicker, nginx does not
    start, and is rendered anew for the next try."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def module(name: str) -> str:
    """The path of one of nginx's modules."""
    file = f"ngx_{name}_module.so"
    for folder in MODULES:
        if (folder / file).is_file():
            return str(folder / file)
    raise SystemExit(
        f"nginx's {name} module ({file}) is not in {' or '.join(map(str, MODULES))}; "
        f"install Debian's package libnginx-mod-{name}."
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _each(directive: str, values: Iterable[str]) -> str:
    return "\n".join(directive.format(value) for value in values)


def main(names: list[str]) -> None:
    env = environment.read()
    addresses = Addresses.read(env.bind)
    soft_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    values = scalars(env, addresses) | lines(env, addresses, soft_limit)
    values |= secrets(names, env, store=bool(addresses.store))
    if "ingest.conf" in names:
        values |= {f"{name}_module": module(name) for name in ("rtmp", "stream")}
    values["network_map"] = NETWORK.read_text()
    values["control_server"] = fill(CONTROL.read_text(), values) if addresses.control else ""
    values["store_server"] = fill(STORE.read_text(), values) if addresses.store else ""
    included = {part for name in names for part in INCLUDED.get(name, ())}
    for name in sorted(included | set(names)):
        write(env.var / "conf" / name, fill(TEMPLATES[name].read_text(), values))


if __name__ == "__main__":
    main(sys.argv[1:])
