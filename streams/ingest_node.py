"""The ingest node: nginx-rtmp's own HTTP, `/stat` (rtmp_stat) and `/control` (rtmp_control)."""

import contextlib
import http.client
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from streams.ladder.stat import Publisher, StatError, parse, played

APPLICATION = "live"
TIMEOUT = 1.5
# Every supervised broadcast looks at the same page; one request serves them all.
FRESH = 0.4
# Publishers who wait for FFmpeg wait together, too.
AWAITED_EVERY = 0.03


class IngestUnreachable(Exception):
    """The node did not answer, or not with what nginx-rtmp answers."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class _Page:
    at: float
    publishers: dict[str, Publisher]
    played: frozenset[str]


class IngestNode:
    """`url`: `unix:/path/to/socket` or `http://host:port`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._page: _Page | None = None
        self._failure: IngestUnreachable | None = None
        self._failed_at = float("-inf")

    def publishers(self, *, fresh: bool = False) -> dict[str, Publisher]:
        """Who publishes now, by internal name. Raises IngestUnreachable."""
        return self._look(0.0 if fresh else FRESH).publishers

    def await_player(self, name: str, seconds: float) -> bool:
        """Whether somebody plays this internal name within so many seconds, published or not."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(IngestUnreachable):
            while time.monotonic() < deadline:
                if name in self._look(AWAITED_EVERY).played:
                    return True
                time.sleep(AWAITED_EVERY)
        return False

    def _look(self, oldest: float) -> _Page:
        asked_at = time.monotonic()
        with self._lock:
            now = time.monotonic()
            # All supervisors wait here: a node that hangs must not cost each of them a time-out.
            if self._failure is not None and self._failed_at > asked_at:
                raise self._failure
            if self._page is None or now - self._page.at >= oldest:
                try:
                    self._page = self._load(now)
                except IngestUnreachable as failure:
                    self._failure, self._failed_at = failure, time.monotonic()
                    raise
            return self._page

    def _load(self, now: float) -> _Page:
        xml = self._get("/stat")
        try:
            return _Page(now, parse(xml), played(xml))
        except StatError as error:
            raise IngestUnreachable(f"/stat of the ingest: {error}") from error

    def drop(self, name: str) -> int:
        """Disconnect the publisher of this internal name; how many were there (0 or 1)."""
        query = urlencode({"app": APPLICATION, "name": name})
        answer = self._get(f"/control/drop/publisher?{query}")
        return int(answer) if answer.strip().isdigit() else 0

    def _get(self, path: str) -> bytes:
        connection = self._connection()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise IngestUnreachable(
                f"the ingest at {self._url} does not answer: {error}"
            ) from error
        finally:
            connection.close()
        if response.status not in (200, 204):
            raise IngestUnreachable(f"the ingest answered {response.status} to {path}")
        return body

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.startswith("unix:"):
            return _UnixConnection(self._url.removeprefix("unix:"))
        return http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=TIMEOUT)


node = IngestNode(settings.INGEST_URL)
