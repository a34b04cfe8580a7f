"""Chatters: people who talk all the time, and remember what was acknowledged to them."""

import json
import secrets
import threading
import time
from types import TracebackType

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

# Below what the chat allows one person for long: one message every two seconds.
PERIOD = 2.0
PATIENCE = 40.0


class Chatter:
    """Says one thing after the other. `acknowledged`: what came back to it, with its id."""

    def __init__(self, port: int, stream: str, number: int, name: str) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws/chat/{stream}/"
        self._name = name
        # As the edge would say: everybody comes from an address of his own.
        self._headers = {"X-Forwarded-For": f"198.51.100.{number + 1}"}
        self.acknowledged: dict[str, str] = {}
        self.refused: list[str] = []
        self.said = 0

    def talk(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                with connect(self._url, additional_headers=self._headers) as socket:
                    while not over.wait(PERIOD):
                        self._say(socket)
            except (WebSocketException, OSError, TimeoutError):
                over.wait(0.5)  # and again, as the page does

    def _say(self, socket: ClientConnection) -> None:
        self.said += 1
        text = f"{self._name} says {self.said}"
        socket.send(json.dumps({"type": "message", "text": text}))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            event = json.loads(socket.recv(timeout=PATIENCE))
            if event["type"] == "message" and event["text"] == text:
                self.acknowledged[text] = event["id"]
                return
            if event["type"] == "refused":
                self.refused.append(f"{text}: {event['code']}")
                return


class Chatters:
    """So many of them, from `with` to its end."""

    def __init__(self, port: int, stream: str, count: int) -> None:
        self._over = threading.Event()
        mark = secrets.token_hex(2)
        self._chatters = [
            Chatter(port, stream, number, f"{mark}-{number}") for number in range(count)
        ]
        self._threads = [
            threading.Thread(target=chatter.talk, args=(self._over,), daemon=True)
            for chatter in self._chatters
        ]

    def __enter__(self) -> "Chatters":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)

    @property
    def acknowledged(self) -> dict[str, str]:
        """What was said -> its id."""
        return {t: i for chatter in self._chatters for t, i in list(chatter.acknowledged.items())}

    @property
    def refused(self) -> list[str]:
        return [said for chatter in self._chatters for said in chatter.refused]

    @property
    def said(self) -> int:
        return sum(chatter.said for chatter in self._chatters)
