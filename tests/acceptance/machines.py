"""Machines: installations on hosts of their own that make one service, as docs/deploy.md sets them
up. They share a database and a Redis, and no folder."""

import contextlib
import getpass
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests import mongod
from tests.acceptance.network import Host, Network
from tests.acceptance.stack import APP, until
from tests.deploy.guide import settings
from tests.deploy.installation import ROOT
from tests.deploy.relay import relay

REDIS_PASSWORD = secrets.token_hex(16)
MONGODB_PASSWORD = secrets.token_hex(16)
DATABASE = "livestream"


class Machine:
    """A host with an installation in a state folder of its own."""

    def __init__(self, host: Host, variables: dict[str, str]) -> None:
        self.host = host
        self.var = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LIVESTREAM_VAR": str(self.var),
            "LIVESTREAM_VENV": sys.prefix,
            "LIVESTREAM_USER": getpass.getuser(),
            **variables,
        }

    def app(self, *arguments: str) -> str:
        return self._run(str(APP), *arguments)

    def manage(self, *arguments: str) -> str:
        return self._run(sys.executable, "manage.py", *arguments).strip()

    def control(self, *arguments: str) -> str:
        socket = f"unix://{self.var}/run/supervisor.sock"
        return self._run(f"{sys.prefix}/bin/supervisorctl", "-s", socket, *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.host.command(*arguments), cwd=ROOT, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, f"{self.host.name}: {done.stdout}"
        return done.stdout

    def processes(self) -> list[int]:
        mark = str(self.var).encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def remove(self) -> None:
        shutil.rmtree(self.var, ignore_errors=True)


class Service:
    """Two each of ingest, web and worker, origin and edge; and a place for viewer and streamer."""

    def __init__(self, network: Network) -> None:
        host = network.host
        self.outside = host("outside", 100)
        self.data = host("data", 5)
        ingest, ingest2 = host("ingest", 10), host("ingest2", 11)
        web, web2 = host("web", 20), host("web2", 21)
        origin, edge = host("origin", 30), host("edge", 50)
        one, two = host("one", 41), host("two", 42)
        # As the guide writes them, but for secrets.
        common = settings("all") | {
            "SECRET_KEY": secrets.token_hex(32),
            "LIVESTREAM_INGEST_SECRET": secrets.token_hex(24),
        }
        with_stores = common | settings("stores")
        with_stores["REDIS_URL"] = with_stores["REDIS_URL"].replace("…", REDIS_PASSWORD)
        with_stores["MONGODB_URI"] = with_stores["MONGODB_URI"].replace("…", MONGODB_PASSWORD)
        self.web = Machine(web, with_stores | settings("web"))
        self.web2 = Machine(web2, with_stores | settings("web2"))
        self.ingest = Machine(ingest, common | settings("ingest"))
        self.ingest2 = Machine(ingest2, common | settings("ingest") | settings("ingest2"))
        self.origin = Machine(origin, with_stores | settings("origin"))
        self.workers = [Machine(place, with_stores | settings("worker")) for place in (one, two)]
        self.edge = Machine(edge, common | settings("edge"))
        self.machines = [
            self.web, self.web2, self.ingest, self.ingest2, self.origin, *self.workers, self.edge,
        ]  # fmt: skip
        self._stores: list[subprocess.Popen[bytes]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="ls-data-", dir=mongod.MEMORY))

    @contextlib.contextmanager
    def running(self) -> Iterator["Service"]:
        try:
            self._start_stores()
            self.web.app("setup")  # the first one makes the tables
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(lambda machine: machine.app("setup"), self.machines[1:]))
            yield self
        finally:
            self._stop()

    def _start_stores(self) -> None:
        address = self.data.address
        self._stores = [
            self.data.spawn(
                mongod.PROGRAM, "--auth", "--bind_ip", f"127.0.0.1,{address}", "--nounixsocket",
                "--dbpath", str(self._folder), "--logpath", f"{self._folder}/log",
                "--wiredTigerCacheSizeGB", "0.25",
                "--setParameter", "diagnosticDataCollectionEnabled=false",
            ),
            self.data.spawn(
                "redis-server", "--bind", address, "--requirepass", REDIS_PASSWORD, "--save", "",
                "--appendonly", "no", "--dir", str(self._folder),
            ),
        ]  # fmt: skip
        for port in (27017, 6379):
            until(lambda port=port: self._answers(port), 30, f"port {port}")  # type: ignore[misc]
        self._make_account()

    def _make_account(self) -> None:
        """As the guide says. The administrator is made on that host itself, as long as there is
        nobody."""
        code = (
            "import sys; from pymongo import MongoClient\n"
            "login = {'username': 'root', 'password': sys.argv[1]}\n"
            "MongoClient('127.0.0.1').admin.command('createUser', 'root', pwd=sys.argv[1],"
            " roles=['root'])\n"
            "MongoClient('127.0.0.1', **login).admin.command('createUser', 'livestream',"
            f" pwd=sys.argv[1], roles=[{{'role': 'readWrite', 'db': {DATABASE!r}}}])"
        )
        subprocess.run(
            self.data.command(sys.executable, "-c", code, MONGODB_PASSWORD), check=True, timeout=30
        )

    def _answers(self, port: int) -> bool:
        try:
            self.outside.connect(self.data.address, port).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        for machine in reversed(self.machines):
            if (machine.var / "run/supervisord.pid").exists():
                machine.app("stop")
        for store in self._stores:
            store.terminate()
            store.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def reached(self, machine: Machine | Host, port: int) -> Iterator[int]:
        """A port of ours behind which is this one of that machine, as seen from outside."""
        host = machine.host if isinstance(machine, Machine) else machine
        with relay(lambda: self.outside.connect(host.address, port)) as own:
            yield own

    @contextlib.contextmanager
    def database(self) -> Iterator[Any]:
        with self.reached(self.data, 27017) as port:
            client: MongoClient[dict[str, Any]] = MongoClient(
                f"127.0.0.1:{port}", username="livestream", password=MONGODB_PASSWORD
            )
            try:
                yield client[DATABASE]
            finally:
                client.close()

    def add_stream(self, name: str, grace: int) -> str:
        """Its key."""
        said = self.web.manage(
            "shell", "--verbosity", "0", "-c",
            "from streams.models import Stream, StreamKey\n"
            f"stream = Stream.objects.create(name={name!r}, grace_seconds={grace})\n"
            "print('key=' + StreamKey.issue(stream))",
        )  # fmt: skip
        return re.search(r"key=(\S+)", said)[1]  # type: ignore[index]

    def worker_of(self, row: dict[str, Any]) -> Machine | None:
        """Which of them drives the broadcast."""
        host = row["holder"].partition(":")[0].rpartition("-")[0]
        return next((worker for worker in self.workers if worker.host.name == host), None)

    def other(self, worker: Machine) -> Machine:
        return next(other for other in self.workers if other is not worker)

    def leftovers(self) -> list[int]:
        return [pid for machine in self.machines for pid in machine.processes()]

    def remove(self) -> None:
        for machine in self.machines:
            machine.remove()
