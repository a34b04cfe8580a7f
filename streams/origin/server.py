"""The origin as a process of its own: quick to start, small, and away only when it is replaced.

`uvicorn streams.origin.server:app` knows the disk below $LIVESTREAM_VAR and no registry: what it
does not find, the edge asks the web process for.
"""

import os
from pathlib import Path

from streams.origin.app import create_app

app = create_app(Path(os.environ["LIVESTREAM_VAR"]) / "hls")
