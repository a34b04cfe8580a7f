"""The store: the folder of segments on an origin's host, as other hosts see it, by HTTP.

nginx takes and gives what deploy/nginx/store.conf.template lets through; paths begin at HLS_ROOT.
"""

import http.client
import json
import threading
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from streams.origin import layout, segment_list
from streams.origin.run_folder import Continuation

TIMEOUT = 5.0
# What nginx says of a request that will never be granted.
NEVER = (409, 413, 414)


class StoreAway(Exception):
    """It does not answer, or takes nothing now; the same request may be granted later."""


class NeverTaken(Exception):
    """It refuses this file, whoever asks and however often."""


class Store:
    """`url`: `http://host:port`. May be used by many threads: each has a connection of its own."""

    def __init__(self, url: str, secret: str, timeout: float = TIMEOUT) -> None:
        self.url = url
        self._secret = secret
        self._timeout = timeout
        self._own = threading.local()
        self.granted = 0  # requests so far

    def get(self, path: str) -> bytes | None:
        """The file; None when there is none. Raises StoreAway."""
        status, body = self._ask("GET", path)
        if status not in (200, 404):
            raise StoreAway(f"{self.url} answers {status} to GET {path}")
        self.granted += 1
        return body if status == 200 else None

    def json(self, path: str) -> dict[str, Any] | None:
        body = self.get(path)
        try:
            found = json.loads(body) if body is not None else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def put(self, path: str, data: bytes) -> None:
        """It is there whole once this returns. Raises StoreAway or NeverTaken."""
        status, _ = self._ask("PUT", path, data)
        if status in NEVER:
            raise NeverTaken(f"{self.url} answers {status} to PUT {path} ({len(data)} bytes)")
        if status not in (200, 201, 204):
            raise StoreAway(f"{self.url} answers {status} to PUT {path}")
        self.granted += 1

    def continuation(self, run: str) -> Continuation | None:
        """What comes after the run of that folder, as players of this store know it; None when the
        store knows no such run. Raises StoreAway."""
        facts = self.json(f"{run}/{layout.RUN_FILE}")
        if facts is None:
            return None
        names = [entry["name"] for entry in facts["renditions"]]
        finished = min((self.listed(f"{run}/{name}") for name in names), default=0)
        return Continuation(
            facts["first_sequence"] + finished,
            facts["discontinuity_sequence"] + (1 if finished else 0),
            tuple(facts.get("names", ())),
            facts["number"],
        )

    def listed(self, rendition: str) -> int:
        """How many segments of a rendition it knows to be finished. Raises StoreAway."""
        body = self.get(str(PurePosixPath(rendition, layout.LIST_FILE)))
        segments = segment_list.parse(body.decode()) if body is not None else ()
        return segments[-1].number + 1 if segments else 0

    def _ask(self, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        fresh = getattr(self._own, "connection", None) is None
        try:
            return self._send(method, path, data)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if fresh or isinstance(error, TimeoutError):
                raise StoreAway(f"{self.url} does not answer: {error!r}") from error
        # A connection that was kept may have been closed meanwhile; both methods bear a second try.
        try:
            return self._send(method, path, data)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise StoreAway(f"{self.url} does not answer: {error!r}") from error

    def _send(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(
                urlsplit(self.url).netloc, timeout=self._timeout
            )
            self._own.connection = connection
        connection.request(method, f"/hls/{path}", data, {"X-Store-Secret": self._secret})
        response = connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """This thread's connection."""
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
        self._own.connection = None
