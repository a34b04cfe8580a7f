"""A player: loads playlists and segments as hls.js does, and keeps account of what its viewer sees.

It reads the master playlist once, reloads its rendition's every target duration (half of it when
nothing is new), begins three target durations behind the live edge, loads the init segment and
every segment, and asks again as streams/front/hls-config.js tells hls.js to.
"""

import http.client
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType

from tests.acceptance.playlist import Segment, read_master, read_media
from tests.answer import Answer, fetch
from tests.faults.playback import Playback
from tests.faults.viewing import Viewing

FIRST_RETRY, LONGEST_RETRY = 0.5, 4.0
# hls.js gives a playlist seven tries; the page then begins anew by itself, and says so.
PATIENCE = 20.0
MOST_AHEAD = 20.0
TICK = 0.05


@dataclass(frozen=True)
class Losses:
    """What a viewer lost up to now. Seconds."""

    stalled: float
    longest_stall: float
    lost: float
    discontinuities: int


class Player:
    """Watches from `with` to its end; also what it found wrong."""

    def __init__(self, port: int, name: str, best: bool = True) -> None:
        self._port, self._name, self._best = port, name, best
        self._playback, self._viewing = Playback(), Viewing()
        self._due: deque[Segment] = deque()
        self._init = ""
        self._reload_at = 0.0
        self._playlist_failures, self._segment_failures = 0, 0
        self._resume_at = 0.0
        self._reached = time.monotonic()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"player of {name}", daemon=True)
        self.missing: list[str] = []  # listed, but not there
        self.crashed: list[str] = []
        self.fatal = ""  # why the page would have had to be loaded again
        self.loaded: list[tuple[float, Segment]] = []

    def __enter__(self) -> "Player":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave.set()
        self._thread.join(30)

    @property
    def begun(self) -> bool:
        return self._playback.begun

    @property
    def ended(self) -> bool:
        return self._viewing.ended

    @property
    def losses(self) -> Losses:
        playback, viewing = self._playback, self._viewing
        return Losses(
            playback.stalled, playback.longest_stall, viewing.lost, viewing.discontinuities
        )

    @property
    def faults(self) -> list[str]:
        """What no fault of the server's may do to a player."""
        viewing = self._viewing
        found = [*viewing.regressions, *viewing.rewritten, *self.missing, *self.crashed]
        return found + ([self.fatal] if self.fatal else [])

    def _watch(self) -> None:
        try:
            path = self._choose()
            while path and not self._leave.wait(TICK):
                now = time.monotonic()
                self._playback.advance(now)
                if now >= self._reload_at and not self._viewing.ended:
                    self._reload(path)
                if self._due and now >= self._resume_at and self._playback.ahead < MOST_AHEAD:
                    self._load(self._due[0])
        except Exception as error:  # a test reads it
            self.crashed.append(repr(error))
            raise

    def _choose(self) -> str:
        """The address of one rendition, once there is a master playlist."""
        path = f"/hls/{self._name}/master.m3u8"
        while not self._leave.is_set():
            answer = self._get(path)
            if answer is not None and answer.status == 200:
                variants = read_master(answer.text, path)
                self._reached = time.monotonic()
                return variants[0 if self._best else -1].path
            self._leave.wait(FIRST_RETRY)
        return ""

    def _reload(self, path: str) -> None:
        answer = self._get(path)
        now = time.monotonic()
        if answer is None or answer.status != 200:
            self._reload_at = now + _pause(self._playlist_failures)
            self._playlist_failures += 1
            if now - self._reached > PATIENCE and not self.fatal:
                said = answer.status if answer is not None else "no answer"
                self.fatal = f"no playlist for {now - self._reached:.0f} s: {said}"
            return
        self._playlist_failures, self._reached = 0, now
        playlist = read_media(answer.text, path)
        due = self._viewing.see(playlist)
        self._due.extend(due)
        self._reload_at = now + (playlist.target if due else playlist.target / 2)

    def _load(self, segment: Segment) -> None:
        if segment.init != self._init:
            if not self._media(segment.init):
                return
            self._init = segment.init
        if self._media(segment.path):
            self._due.popleft()
            now = time.monotonic()
            self._playback.append(now, segment.duration)
            self.loaded.append((now, segment))

    def _media(self, path: str) -> bool:
        """Whether it came. One that is not there is a fault even if it comes later."""
        answer = self._get(path)
        if answer is not None and answer.status == 200 and answer.body:
            self._segment_failures = 0
            return True
        if answer is not None and answer.status == 404 and path not in self.missing:
            self.missing.append(path)
        self._resume_at = time.monotonic() + _pause(self._segment_failures)
        self._segment_failures += 1
        return False

    def _get(self, path: str) -> Answer | None:
        try:
            return fetch(self._port, path)
        except (OSError, http.client.HTTPException):
            return None


def _pause(failures: int) -> float:
    return min(LONGEST_RETRY, FIRST_RETRY * 2.0**failures)
