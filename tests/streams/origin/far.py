"""A store as another host has it: our nginx, a folder behind it, and the means to break both."""

import shutil
import subprocess
from pathlib import Path

from streams.origin.disk import Disk
from streams.origin.store import Store
from tests.deploy.installation import Installation, free_port, wait_for_port


class FarStore:
    def __init__(self, var: Path) -> None:
        var.mkdir()
        self.port = free_port()
        self.place = Installation(var, LIVESTREAM_STORE=f"127.0.0.1:{self.port}")
        self._render()
        self.root = var / "hls"
        self.disk = Disk(self.root)
        self.client = Store(f"http://127.0.0.1:{self.port}", self.place.secret)
        self._nginx: subprocess.Popen[bytes] | None = None

    def _render(self) -> None:
        rendered = self.place.run("deploy.render", "live.conf", "edge.conf")
        assert rendered.returncode == 0, rendered.stderr

    def share_secret(self, other: "FarStore") -> None:
        """Before it is started."""
        self.place.secret = other.place.secret
        self.place.environment["LIVESTREAM_INGEST_SECRET"] = other.place.secret
        self._render()

    def start(self) -> "FarStore":
        self._nginx = self.place.nginx("edge.conf")
        wait_for_port(self.port)
        return self

    def stop(self) -> None:
        self.client.close()
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait(10)
            self._nginx = None

    def empty(self) -> None:
        """Its disk was replaced."""
        shutil.rmtree(self.root)
        self.root.mkdir()
        self.disk = Disk(self.root)
