"""The worker process: `python -m livestream.worker [--name NAME]`. Its habits are in settings.

Celery's command line would do as well, but for the interactive shell that comes with it, which is a
tenth of the memory of a worker that drives a hundred broadcasts.
"""

import argparse
import sys
from socket import gethostname

from livestream.celery import app


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="celery", help="its name among those of this host")
    name = parser.parse_args().name
    # By which Celery begins the same again after SIGHUP.
    sys.argv = ["-m", "livestream.worker", "--name", name]
    worker = app.Worker(
        hostname=f"{name}@{gethostname()}",
        loglevel="INFO",
        queues=["broadcasts", "chores"],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
