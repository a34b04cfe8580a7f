"""Links: small facts kept as a symbolic link's target, which needs no room on a full disk."""

import os
import time
from pathlib import Path


def point(path: Path, target: str) -> None:
    """Readers see the old target or the new one."""
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def read(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def age(path: Path) -> float:
    """Seconds since it was pointed there; for ever when it is missing or from the future."""
    try:
        since = time.time() - os.lstat(path).st_mtime
    except OSError:
        return float("inf")
    return since if since >= 0 else float("inf")
