"""Our own processes are killed and restarted; no player and no viewer notices."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException

import pytest
from playwright.sync_api import Browser

from tests.acceptance.playlist import variants
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.acceptance.viewer import Viewer

NAME = "unbroken"


class Poll:
    """A player that asks for a playlist through the edge twenty times a second."""

    def __init__(self, stack: Stack, path: str) -> None:
        self._stack, self._path = stack, path
        self.gap = 0.0
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Poll":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        answered = time.monotonic()
        while not self._over.wait(0.05):
            try:
                answer = self._stack.get(self._path)
            except (OSError, HTTPException) as error:
                self.failures.append(repr(error))
                continue
            if answer.status != 200:
                self.failures.append(f"{answer.status} {answer.text}")
                continue
            self.gap = max(self.gap, time.monotonic() - answered)
            answered = time.monotonic()
        self.gap = max(self.gap, time.monotonic() - answered)


@pytest.fixture(scope="module")
def viewer(stack: Stack, browser: Browser) -> Iterator[Viewer]:
    stack.add_stream(NAME)
    with Publisher(stack.rtmp, NAME, size="640x480"):
        until(lambda: variants(stack, NAME), 20, "a master playlist")
        viewer = Viewer(browser, stack, NAME)
        viewer.stage("playing", 20)
        viewer.time_moves()
        viewer.chat_is_up(10)
        # The first seconds of a page are busy ones.
        viewer.time_moves()
        yield viewer


def restart(*names: str) -> Callable[[Stack], None]:
    def action(stack: Stack) -> None:
        done = stack.app("restart", *names)
        assert done.returncode == 0, done.stdout

    return action


def kill(name: str) -> Callable[[Stack], None]:
    def action(stack: Stack) -> None:
        killed = stack.pids()[name]
        os.kill(killed, signal.SIGKILL)
        until(lambda: stack.pids().get(name) != killed, 15, f"another {name}")
        until(lambda: stack.get("/health", stack.backend).status == 200, 20, "all is well")

    return action


@pytest.mark.parametrize(
    ("what", "action"),
    [
        ("kill -9 of web", kill("web")),
        ("kill -9 of origin", kill("origin")),
        ("kill -9 of worker", kill("worker")),
        ("restart worker web", restart("worker", "web")),
        ("restart", restart()),
    ],
    ids=["web-killed", "origin-killed", "worker-killed", "worker-web-restarted", "restarted"],
)
def test_nobody_sees_it(
    stack: Stack, viewer: Viewer, what: str, action: Callable[[Stack], None]
) -> None:
    encoders = stack.encoders()
    path = variants(stack, NAME)[-1].path
    viewer.watch_closely()
    with Poll(stack, path) as poll:
        # Playwright is not for two threads, and the player plays by itself.
        action(stack)
        viewer.time_moves()
    seen = viewer.saw()
    stack.notes.append(
        f"{what}: playlists away for {poll.gap:.2f} s ({len(poll.failures)} failures), "
        f"the picture stood for {seen.stood:.2f} s and jumped by {seen.jumped:.2f} s"
    )
    assert poll.failures == []
    assert poll.gap < 0.5
    assert seen.stood < 0.5
    assert seen.jumped < 0.5
    assert stack.encoders() == encoders
    viewer.chat_is_up(20)
    assert viewer.page.evaluate("window.firstLoad")
    assert viewer.errors == []
