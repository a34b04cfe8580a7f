"""The origin's ASGI application: playlists, thumbnails, and media where no nginx is in front."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from streams.origin import layout, master, playlist
from streams.origin.cross_origin import CrossOrigin
from streams.origin.disk import Disk
from streams.origin.history import History

MEDIA_TYPES = {".mp4": "video/mp4", ".m4s": "video/iso.segment"}
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
# A second's truth: a browser asks every time, caches before it ask once a second for all, and may
# show it a little longer while we are away.
FRESH = {"Cache-Control": "public, max-age=0, s-maxage=1, stale-if-error=30"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# How long after its grace period a broadcast that nobody ended still counts as on air.
ABANDONED = 30.0  # seconds

Known = Callable[[str], Awaitable[bool]]


def _shape(name: str, pattern: str) -> str:
    """Register a URL convertor for a shape of the layout."""
    register_url_convertor(name, type(name, (StringConvertor,), {"regex": pattern})())
    return name


_shape("hls_stream", layout.STREAM)
_shape("hls_broadcast", layout.BROADCAST)
_shape("hls_run", layout.RUN)
_shape("hls_rendition", layout.RENDITION)
_shape("hls_media", rf"(?:init\.mp4|{layout.SEGMENT})")

STREAM_URL = "/hls/{stream:hls_stream}"
BROADCAST_URL = STREAM_URL + "/{broadcast:hls_broadcast}"


class Absent(HTTPException):
    """404 with a reason for machines and a sentence for people."""

    def __init__(self, error: str, sentence: str) -> None:
        super().__init__(404, sentence)
        self.error = error


def create_app(root: Path, known: Known | None = None) -> Starlette:
    """The application for HLS_ROOT at `root`.

    `known` tells whether a stream of that name exists; without it one exists that has a folder.
    """
    origin = Origin(Disk(root), known)
    app = Starlette(
        routes=[
            Route(STREAM_URL, origin.master),
            Route(STREAM_URL + "/", origin.master),
            Route(STREAM_URL + "/master.m3u8", origin.master),
            Route(STREAM_URL + "/thumb.jpg", origin.thumbnail),
            Route(BROADCAST_URL + "/{rendition:hls_rendition}.m3u8", origin.media_playlist),
            Route(
                BROADCAST_URL + "/{run:hls_run}/{rendition:hls_rendition}/{file:hls_media}",
                origin.media,
            ),
        ],
        middleware=[
            Middleware(CrossOrigin),
            # Level 1: 30 lines that repeat each other shrink to a tenth at any level.
            Middleware(GZipMiddleware, minimum_size=500, compresslevel=1),
        ],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = "method_not_allowed" if error.status_code == 405 else "not_found"
    reason = getattr(error, "error", reason)
    headers = {**FRESH, **(error.headers or {})}
    return JSONResponse(
        {"error": reason, "detail": error.detail}, error.status_code, headers=headers
    )


class Origin:
    """The endpoints. Names in their paths have passed the shapes above."""

    def __init__(self, disk: Disk, known: Known | None) -> None:
        self._disk = disk
        self._known = known

    async def master(self, request: Request) -> Response:
        stream = _names(request)["stream"]
        history = await self._on_air(stream, self._disk.current(stream))
        variants = self._disk.variants(stream, history)
        if not variants:
            raise await self._offline(stream)
        # A relative URI replaces the last part of the path it stands in.
        inside = request.url.path.rpartition("/")[2] != stream
        base = history.broadcast if inside else f"{stream}/{history.broadcast}"
        return _playlist(master.compose(base, variants))

    async def media_playlist(self, request: Request) -> Response:
        names = _names(request)
        stream, rendition = names["stream"], names["rendition"]
        history = await self._on_air(stream, names["broadcast"])
        if not any(rendition in run.names for run in history.runs):
            raise Absent("not_found", f"This broadcast has no rendition “{rendition}”.")
        target = self._disk.target_duration(stream, history)
        text = playlist.compose(history, rendition, target)
        if text is None:
            raise await self._offline(stream)
        return _playlist(text)

    async def thumbnail(self, request: Request) -> Response:
        stream = _names(request)["stream"]
        history = await self._on_air(stream, self._disk.current(stream))
        path = self._disk.thumbnail(stream, history)
        if path is None:
            raise Absent("not_found", "There is no picture of this stream yet.")
        return FileResponse(path, media_type="image/jpeg", headers=FRESH)

    async def media(self, request: Request) -> Response:
        names = _names(request)
        parts = (names[part] for part in ("stream", "broadcast", "run", "rendition", "file"))
        path = self._disk.file(*parts)
        if path is None:
            raise Absent("not_found", "This segment does not exist, or not any more.")
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=FOREVER)

    async def _on_air(self, stream: str, broadcast: str | None) -> History:
        """The broadcast, if it ended properly or somebody still looks after it."""
        history = self._disk.history(stream, broadcast) if broadcast else None
        if history is None:
            raise await self._offline(stream)
        if history.ended_at is None:
            newest = self._disk.newest_segment_at(stream, history)
            if time.time() - newest > history.grace_seconds + ABANDONED:
                raise await self._offline(stream)
        return history

    async def _offline(self, stream: str) -> Absent:
        known = await self._known(stream) if self._known else self._disk.has_stream(stream)
        if known:
            return Absent("offline", f"“{stream}” is not on air.")
        return Absent("unknown_stream", f"There is no stream “{stream}”.")


def _names(request: Request) -> dict[str, str]:
    """The path's parts. No name needs escaping, so an escaped path means mischief."""
    raw: bytes = request.scope.get("raw_path") or b""
    if b"%" in raw.partition(b"?")[0]:
        raise Absent("not_found", "There is nothing at this address.")
    return request.path_params


def _playlist(text: str) -> Response:
    return Response(text, media_type=PLAYLIST_TYPE, headers=FRESH)
