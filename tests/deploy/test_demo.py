"""The demo: a real FFmpeg, and who else may see what it publishes by."""

import os
import subprocess
from pathlib import Path

from tests.acceptance.stack import until
from tests.deploy.installation import ROOT
from tests.deploy.test_ingest import Ingest, running

SCRIPT = "source deploy/sh/say.sh; source deploy/sh/environment.sh; source deploy/sh/demo.sh"


def test_its_key_stands_in_no_command_line(tmp_path: Path) -> None:
    with running(Ingest(tmp_path)) as ingest:
        hook = ingest.hook()
        demo = subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail; {SCRIPT}; publish_demo 20"],
            cwd=ROOT, env={**ingest.environment, "STREAM_KEY": "good?key=s3cret"},
        )  # fmt: skip
        try:
            until(lambda: ingest.told, 15, "the hook is asked")
            command = Path(f"/proc/{demo.pid}/cmdline").read_bytes().split(b"\0")
        finally:
            demo.kill()
            demo.wait()
            hook.shutdown()
            hook.server_close()
    form = ingest.told[0][1]
    assert (form["app"], form["name"], form["key"]) == ("live", "good", "s3cret")
    assert os.path.basename(command[0]) == b"ffmpeg"
    assert not [word for word in command if b"s3cret" in word]
