"""A rehearsal: real workers, a real record and a real broker, but neither nginx nor FFmpeg.

A stand-in lists publishers as nginx-rtmp's /stat does, another one writes what FFmpeg would; so one
small machine carries hundreds of broadcasts.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import mongod
from tests.acceptance.encoders import Encoder, encoders
from tests.acceptance.stack import until
from tests.deploy.installation import ROOT, free_port
from tests.faults import stand_in
from tests.faults.record import record_of
from tests.faults.workers import Worker, second_worker

BROKER = "/9"  # a database of Redis of its own

STREAM = """<stream><name>{name}</name><time>{ms}</time><bw_in>900000</bw_in>
<bytes_in>{ms}</bytes_in><client><id>{id}</id><address>127.0.0.1</address><time>{ms}</time><dropped>0</dropped>
<timestamp>{ms}</timestamp><publishing/><active/></client>
<meta><video><width>320</width><height>180</height><frame_rate>25</frame_rate><codec>H264</codec>
<profile>Baseline</profile></video><audio><codec>AAC</codec><channels>1</channels>
<sample_rate>44100</sample_rate></audio></meta><publishing/><active/></stream>"""


class Rehearsal:
    def __init__(self, var: Path, count: int) -> None:
        self.var, self.hls = var, var / "hls"
        self.record = record_of(var)
        self._names = [f"take-{number:03d}" for number in range(count)]
        self._began = time.monotonic()
        self._port = free_port()
        programs = var / "bin"
        programs.mkdir()
        self.hls.mkdir()
        program = programs / "ffmpeg"
        program.write_text(f"#!{sys.executable} -IS\n{Path(stand_in.__file__).read_text()}")
        program.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "LIVESTREAM_VAR": str(var),
            "LIVESTREAM_INGEST_URL": f"http://127.0.0.1:{self._port}",
            "LIVESTREAM_MOST_BROADCASTS": "1000",
            "MONGODB_URI": mongod.uri_for(var),
            "REDIS_URL": os.environ["REDIS_URL"].rpartition("/")[0] + BROKER,
        }

    @contextmanager
    def on_stage(self) -> Iterator["Rehearsal"]:
        """The ingest lists everybody; at the end every stand-in of ours is killed."""
        rehearsal = self

        class Stat(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = rehearsal._stat() if self.path == "/stat" else b"0"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self._port), Stat)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            self._manage("migrate", "--verbosity", "0")
            yield self
        finally:
            server.shutdown()
            server.server_close()
            for encoder in encoders(self.hls):
                os.kill(encoder.pid, 9)
            mongod.drop(self.var)

    def _stat(self) -> bytes:
        ms = int((time.monotonic() - self._began) * 1000)
        streams = "".join(
            STREAM.format(name=f"{name}-in", id=number, ms=ms)
            for number, name in enumerate(self._names)
        )
        live = f"<application><name>live</name><live>{streams}</live></application>"
        return f"<rtmp><server>{live}</server></rtmp>".encode()

    def publish(self) -> None:
        """A broadcast each that nobody drives, and the task to drive it, delivered twice."""
        self._shell(
            "from django.utils import timezone\n"
            "from streams.models import Broadcast, Stream\n"
            "from streams.tasks import drive_broadcast\n"
            f"for number, name in enumerate({self._names}):\n"
            "    stream = Stream.objects.create(name=name)\n"
            "    Broadcast.objects.create(stream=stream, open_key=stream.pk, ingest_node='local',\n"
            "        ingest_name=f'{name}-in', ingest_client=str(number),\n"
            "        ingest_address='127.0.0.1', ingest_since=timezone.now())\n"
            "for pk in list(Broadcast.objects.values_list('pk', flat=True)) * 2:\n"
            "    drive_broadcast.delay(str(pk))"
        )

    @contextmanager
    def worker(self, name: str) -> Iterator[Worker]:
        """Once it takes tasks."""
        log = self.var / f"{name}.log"
        with second_worker(name, self.environment, log) as worker:
            until(lambda: " ready." in log.read_text(), 30, f"worker {name} is ready")
            yield worker

    def encoders(self) -> list[Encoder]:
        return encoders(self.hls)

    def begun(self) -> list[str]:
        """The broadcast of every stand-in that ever began."""
        journal = self.var / "encoders.log"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [line.split()[1] for line in lines if line.startswith("begin ")]

    def drivers(self) -> dict[int, int]:
        """How many broadcasts each worker drives, by its pid."""
        rows = self.record.rows("broadcast")
        return Counter(int(row["holder"].split(":")[2]) for row in rows if row["holder"])

    def states(self) -> set[str]:
        return {row["state"] for row in self.record.rows("broadcast")}

    def _shell(self, code: str) -> None:
        self._manage("shell", "--verbosity", "0", "-c", code)

    def _manage(self, *arguments: str) -> None:
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
