"""Who is at the other end of a socket: identity, name and network address.

These functions query the database; call them outside the event loop.
"""

import hashlib
import unicodedata
import uuid
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db.models import Q

from chat.text import Refusal, clean_name, guest_name
from streams.client_address import client_network
from streams.models import User

SESSION_NAME = "chat_name"
TAKEN = Refusal("name_taken", "This name belongs to an account; log in to use it.")
FIXED = Refusal("name_fixed", "With an account you chat under the account's name.")

Scope = dict[str, Any]


@dataclass(frozen=True)
class Viewer:
    """`identity` is the same in all tabs of a browser, or wherever an account is logged in; a
    browser without a session has a new one per connection. It never reveals a session key."""

    identity: str
    name: str
    account_id: UUID | None = None


def identify(scope: Scope) -> Viewer:
    """The viewer of an ASGI scope that went through chat/recognition.py."""
    user = scope.get("user")
    if user is not None and user.is_authenticated:
        return Viewer(f"account:{user.pk.hex}", user.get_username(), user.pk)
    session = scope.get("session")
    name = session.get(SESSION_NAME) if session is not None else None
    # Only after something was read is it known whether the cookie's session exists.
    key = session.session_key if session is not None else None
    if key is None:
        identity = f"connection:{uuid.uuid4().hex}"
    else:
        identity = f"session:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    # The account may be younger than the name.
    if name is None or is_taken(name):
        name = guest_name(identity)
    return Viewer(identity, name)


def rename(viewer: Viewer, wish: str, session_key: str | None) -> Viewer | Refusal:
    """The viewer under the new name, which the session keeps; or why not."""
    if viewer.account_id is not None:
        return viewer if wish.strip().casefold() == viewer.name.casefold() else FIXED
    if wish.strip() == guest_name(viewer.identity):
        name: str | Refusal = wish.strip()
    else:
        name = clean_name(wish)
    if isinstance(name, Refusal):
        return name
    if is_taken(name):
        return TAKEN
    if session_key is not None:
        _keep_name(session_key, name)
    return Viewer(viewer.identity, name)


def is_taken(name: str) -> bool:
    """Whether an account has this name, in whatever case."""
    # SQLite compares only ASCII letters without case; the other forms help with the rest.
    forms = {name.lower(), name.upper(), name.title(), name.capitalize(), name.casefold()}
    forms |= {unicodedata.normalize("NFKC", form) for form in forms}
    return User.objects.filter(Q(username__iexact=name) | Q(username__in=forms)).exists()


def client_address(scope: Scope) -> str:
    """Whom to count a socket for."""
    forwarded = [
        value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"
    ]
    peer = (scope.get("client") or ("", 0))[0]
    return client_network(peer, forwarded, settings.TRUSTED_EDGES)


def _keep_name(session_key: str, name: str) -> None:
    """Read the session again before writing: this connection's copy may be hours old."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    session[SESSION_NAME] = name
    session.set_expiry(None)
    if session.session_key is None:
        return  # It ended meanwhile; saving would make another one that no browser has.
    try:
        session.save()
    except UpdateError:
        return
