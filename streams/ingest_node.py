"""An ingest node: nginx-rtmp's own HTTP, `/stat` (rtmp_stat) and `/control` (rtmp_control)."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from streams.ladder.stat import Publisher, StatError, parse, played

APPLICATION = "live"
TIMEOUT = 1.5
# The kernel accepts, however busy nginx is; a publisher's hook waits meanwhile.
REACHED_WITHIN = 0.5
# Every supervised broadcast looks at the same page; one request serves them all.
FRESH = 0.4
# A host that is lost answers nobody: each who asked it in turn would wait the whole time-out.
LOST_FOR = 1.0
# Publishers who wait for FFmpeg wait together, too.
AWAITED_EVERY = 0.03


class IngestUnreachable(Exception):
    """The node did not answer, or not with what nginx-rtmp answers."""


class IngestDown(IngestUnreachable):
    """Its host answers, and no nginx listens there: nobody publishes at it."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str) -> None:
        super().__init__(host, timeout=REACHED_WITHIN)

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(TIMEOUT)


class _UnixConnection(_Connection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class _Page:
    at: float
    xml: bytes
    publishers: dict[str, Publisher]

    @cached_property
    def played(self) -> frozenset[str]:
        """Only publish hooks ask for it, and reading the page is most of what supervision costs."""
        return played(self.xml)


@dataclass(frozen=True)
class _Failure:
    at: float
    error: IngestUnreachable


class IngestNode:
    """`url`: `unix:/path/to/socket` or `http://host:port`, which wants the secret; `pull_url`:
    where FFmpeg gets the node's streams from."""

    def __init__(
        self,
        url: str,
        pull_url: str = "",
        secret: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.pull_url = pull_url
        self._secret = secret or ""
        self._clock = clock
        self._lock = threading.Lock()
        self._page: _Page | None = None
        self._failure: _Failure | None = None

    def pull(self, name: str) -> str:
        """The address of one of its streams, for FFmpeg."""
        return f"{self.pull_url}/{name}"

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
        asked = self._clock()
        with self._lock:
            if self._page is not None and self._page.at >= asked - oldest:
                return self._page
            lost = self._failure
            if lost is not None and lost.at >= asked - (LOST_FOR if oldest else 0.0):
                raise type(lost.error)(str(lost.error))
            now = self._clock()
            try:
                self._page, self._failure = self._read(now), None
            except IngestUnreachable as error:
                # By its end: whoever waited meanwhile need not wait as long again.
                self._failure = _Failure(self._clock(), error)
                raise
            return self._page

    def _read(self, now: float) -> _Page:
        xml = self._get("/stat")
        try:
            return _Page(now, xml, parse(xml))
        except StatError as error:
            raise IngestUnreachable(f"/stat of the ingest: {error}") from error

    def forget(self) -> None:
        """What was last seen is out of date."""
        with self._lock:
            self._page = self._failure = None

    def drop(self, name: str) -> int:
        """Disconnect the publisher of this internal name; how many were there (0 or 1)."""
        query = urlencode({"app": APPLICATION, "name": name})
        answer = self._get(f"/control/drop/publisher?{query}")
        return int(answer) if answer.strip().isdigit() else 0

    def _get(self, path: str) -> bytes:
        try:
            connection = self._connection()
        except ValueError as error:
            raise IngestUnreachable(f"{self.url} is no address of an ingest: {error}") from error
        try:
            connection.request("GET", path, headers={"X-Ingest-Secret": self._secret})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            kind = IngestDown if isinstance(error, ConnectionRefusedError) else IngestUnreachable
            raise kind(f"the ingest at {self.url} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status not in (200, 204):
            raise IngestUnreachable(f"the ingest answered {response.status} to {path}")
        return body

    def _connection(self) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            return _UnixConnection(self.url.removeprefix("unix:"))
        return _Connection(urlsplit(self.url).netloc)


node = IngestNode(settings.INGEST_URL, settings.RTMP_PULL_URL, settings.INGEST_SECRET)
"""This installation's own; where there are several, `streams.ingest_nodes` knows them all."""
