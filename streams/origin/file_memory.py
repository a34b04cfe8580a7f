"""Parsed files, remembered until they change on disk."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 4096  # files


class FileMemory:
    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, int, int], Any]] = {}

    def read(self, path: Path, parse: Callable[[bytes], Any]) -> Any:
        """What `parse` makes of the file; None when it is missing or `parse` raises ValueError."""
        try:
            status = os.stat(path)
            # Files are replaced, not rewritten: the inode tells two in one tick of the clock apart.
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._files.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            value = parse(path.read_bytes())
        except (OSError, ValueError):
            return None
        self._files[path] = (stamp, value)
        if len(self._files) > MOST:
            del self._files[next(iter(self._files))]
        return value
