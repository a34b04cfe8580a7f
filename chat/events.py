"""The wire format of the chat socket, version 1: JSON objects in text frames, both ways.

Server to client: welcome, message, state, viewers, renamed, refused, pong; each has `v`.
Client to server: {"type":"message","text":…}, {"type":"rename","name":…}, {"type":"ping"}.
Unknown fields are ignored on both sides, so that fields can be added without a version 2.
"""

import json
from dataclasses import dataclass
from typing import Any

from chat.text import Refusal, clean_text

VERSION = 1
MAX_FRAME = 16_384

CLOSE_TOO_BIG = 1009
CLOSE_FLOOD = 1008
CLOSE_TRY_LATER = 1013
CLOSE_UNKNOWN_STREAM = 4404
CLOSE_SLOW_READER = 4408

Event = dict[str, Any]


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Rename:
    """`name` is as sent: whether it may be used depends on who asks."""

    name: str


@dataclass(frozen=True)
class Ping:
    pass


Command = Say | Rename | Ping


def parse(frame: str | bytes) -> Command | Refusal:
    """The command in a client's frame, cleaned; or why there is none."""
    if isinstance(frame, bytes):
        return Refusal("binary", "Frames are JSON text, not binary.")
    try:
        fields = json.loads(frame)
    except (ValueError, RecursionError):
        return Refusal("not_json", "This frame is not JSON.")
    if not isinstance(fields, dict):
        return Refusal("not_an_object", "A frame is a JSON object with a type.")
    match fields.get("type"):
        case "message":
            return _say(fields.get("text"))
        case "rename":
            return _rename(fields.get("name"))
        case "ping":
            return Ping()
    return Refusal("unknown_type", "The type of a frame is message, rename or ping.")


def _say(text: object) -> Say | Refusal:
    if not isinstance(text, str):
        return Refusal("no_text", "A message has a text.")
    cleaned = clean_text(text)
    return cleaned if isinstance(cleaned, Refusal) else Say(cleaned)


def _rename(name: object) -> Rename | Refusal:
    if not isinstance(name, str):
        return Refusal("no_name", "To rename, send a name.")
    return Rename(name)


def encode(event: Event) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def you(name: str, account: bool) -> Event:
    return {"name": name, "account": account}


def welcome(you: Event, state: Event, history: list[Event]) -> Event:
    """`state` as in /api/streams/<name>; `history` is message events, oldest first."""
    return {"v": VERSION, "type": "welcome", "you": you, "state": state, "history": history}


def message(*, id: str, name: str, account: bool, text: str, at: str) -> Event:
    """`id` is 32 hex digits, the same in history and live; `at` is ISO 8601 with an offset."""
    return {
        "v": VERSION,
        "type": "message",
        "id": id,
        "name": name,
        "account": account,
        "text": text,
        "at": at,
    }


def viewers(count: int) -> Event:
    return {"v": VERSION, "type": "viewers", "count": count}


def renamed(you: Event) -> Event:
    return {"v": VERSION, "type": "renamed", "you": you}


def refused(refusal: Refusal) -> Event:
    """`retry_after` is in seconds and there only when waiting helps."""
    event: Event = {
        "v": VERSION,
        "type": "refused",
        "code": refusal.code,
        "detail": refusal.detail,
    }
    if refusal.retry_after is not None:
        event["retry_after"] = refusal.retry_after
    return event


def pong() -> Event:
    return {"v": VERSION, "type": "pong"}
