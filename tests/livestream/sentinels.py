"""A group of real Redis servers: a master, its replica, and three sentinels that watch them."""

import os
import signal
import subprocess
from pathlib import Path

import redis

from livestream.redis_routes import Route, Sentinels
from tests.acceptance.stack import until
from tests.deploy.installation import free_ports
from tests.livestream.certificates import make_certificates

PASSWORD = "Of:the@Master/%"
SENTINEL_PASSWORD = "Of:the@Sentinels/%"
# Neither case nor a digit may get lost on the way.
MASTER = "LiveStream-1"
DOWN_AFTER = 2000


class Group:
    """`start` it, then `kill` or `freeze` its master; `stop` ends everything."""

    def __init__(self, folder: Path, tls: bool = False) -> None:
        self.folder = folder
        self.tls = tls
        self.authority = f"{folder}/ours.pem" if tls else ""
        self.first, self.second, *self.watchers = free_ports(5)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.hosts = tuple(("127.0.0.1", port) for port in self.watchers)
        self.sentinels = Sentinels(self.hosts, MASTER, SENTINEL_PASSWORD)

    @property
    def url(self) -> str:
        """As REDIS_URL wants it: the login and the database; the host does not count."""
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://:Of%3Athe%40Master%2F%25@master/3"

    @property
    def route(self) -> Route:
        return Route(self.url, self.sentinels, self.authority)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REDIS_URL": self.url,
            "REDIS_SENTINELS": ",".join(f"{host}:{port}" for host, port in self.hosts),
            "REDIS_MASTER": MASTER,
            "REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        }

    def start(self) -> None:
        if self.tls:
            make_certificates(self.folder)
        common = f'requirepass "{PASSWORD}"\nmasterauth "{PASSWORD}"\nsave ""\n'
        self._run(self.first, common)
        self._run(self.second, common + f"replicaof 127.0.0.1 {self.first}\n")
        replica = self._client(self.second, PASSWORD)
        until(lambda: _linked(replica), 20, "the replica follows the master")
        replica.close()
        for port in self.watchers:
            self._run(
                port,
                f'requirepass "{SENTINEL_PASSWORD}"\n'
                f"sentinel monitor {MASTER} 127.0.0.1 {self.first} 2\n"
                f'sentinel auth-pass {MASTER} "{PASSWORD}"\n'
                f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER}\n"
                f"sentinel failover-timeout {MASTER} 6000\n",
                "--sentinel",
            )
        for port in self.watchers:
            until(lambda port=port: self._knows_all(port), 20, "the sentinels know each other")

    def master(self) -> int:
        """The port of the master that most sentinels name."""
        named = [self._ask(port)["port"] for port in self.watchers[1:]]
        return int(max(set(named), key=named.count))

    def kill(self, port: int) -> None:
        self.processes[port].kill()
        self.processes[port].wait()

    def freeze(self, port: int) -> None:
        self.processes[port].send_signal(signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        self.processes[port].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _run(self, port: int, lines: str, *arguments: str) -> None:
        folder = self.folder / str(port)
        folder.mkdir()
        file = folder / "redis.conf"
        file.write_text(f"{self._listen(port)}\nbind 127.0.0.1\ndir {folder}\n{lines}")
        with (folder / "log").open("wb") as log:
            self.processes[port] = subprocess.Popen(
                ["redis-server", str(file), *arguments], stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"]},
            )  # fmt: skip

    def _listen(self, port: int) -> str:
        if not self.tls:
            return f"port {port}"
        files = {"tls-cert-file": "redis.pem", "tls-key-file": "redis.key"}
        files["tls-ca-cert-file"] = "ours.pem"
        return f"port 0\ntls-port {port}\ntls-replication yes\ntls-auth-clients no\n" + "\n".join(
            f"{name} {self.folder}/{file}" for name, file in files.items()
        )

    def _client(self, port: int, password: str) -> "redis.Redis":
        return redis.Redis(
            port=port, password=password, decode_responses=True, ssl=self.tls,
            host="127.0.0.1", **({"ssl_ca_certs": self.authority} if self.tls else {}),
        )  # fmt: skip

    def _ask(self, port: int) -> dict[str, object]:
        client = self._client(port, SENTINEL_PASSWORD)
        try:
            found: dict[str, object] = client.sentinel_master(MASTER)
            return found
        finally:
            client.close()

    def _knows_all(self, port: int) -> bool:
        try:
            seen = self._ask(port)
        except redis.RedisError:
            return False
        return (seen["num-other-sentinels"], seen["num-slaves"]) == (2, 1)


def _linked(replica: "redis.Redis") -> bool:
    try:
        return replica.info("replication").get("master_link_status") == "up"
    except redis.RedisError:
        return False
