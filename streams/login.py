"""The admin's login: whoever guesses passwords has to wait, and nobody else.

Attempts are counted for an address together with the account it tries, for the address alone, and
more slowly for the account, because somebody may have thousands of addresses. Whoever knows the
account's name could keep its owner out by the last: so a network gets a small share of it, a
browser that was logged in to the account before counts for itself, and `manage.py let_in` opens the
way for a new one.
"""

import contextlib
import hashlib
import logging
import math
import time
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.core.cache import BaseCache, caches
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from redis.exceptions import RedisError
from unfold.forms import AuthenticationForm

from streams.client_address import address_of, neighbourhood
from streams.known_browser import mark_of

logger = logging.getLogger(__name__)

# Seconds.
WINDOW = 300
LET_IN = 600


@dataclass(frozen=True)
class Limit:
    """So many attempts of one kind within a window; the next one has to wait for its end."""

    kind: str
    attempts: int
    window: int = WINDOW

    def key(self, subject: str, now: float) -> str:
        return f"login:{_digest(self.kind, subject)}:{int(now // self.window)}"


ACCOUNT = Limit("account", 5)
# People behind one address may each mistype theirs.
ADDRESS = Limit("address", 30)
HOUR = Limit("hour", 10, 3600)
# All the addresses that one guesser may easily have. One alone cannot use it up: its neighbours,
# the owner perhaps among them, may still come.
NETWORK = Limit("network", 30, 3600)
# Who has four networks can hinder the owner's new browser, never one that logged in before.
EVERYWHERE = Limit("everywhere", 100, 3600)


@dataclass(frozen=True)
class Wait:
    """The limit that an attempt has reached, and the seconds until it may be made again."""

    limit: Limit
    seconds: int


class Throttle:
    """The attempts of one address at one account, from a browser that may be known there."""

    def __init__(self, address: str, account: str, now: float, browser: str = "") -> None:
        self._now = now
        self._account = account.casefold()
        # In this order: an attempt that one limit refuses counts for none behind it. So one address
        # makes no key for each of all the names it tries, and uses up little of an account's.
        self._keys = {
            ADDRESS: ADDRESS.key(address, now),
            ACCOUNT: ACCOUNT.key(f"{address}\0{self._account}", now),
            HOUR: HOUR.key(f"{address}\0{browser}\0{self._account}", now),
            NETWORK: NETWORK.key(f"{neighbourhood(address)}\0{browser}\0{self._account}", now),
            EVERYWHERE: EVERYWHERE.key(f"{browser}\0{self._account}", now),
        }

    def take(self) -> Wait | None:
        """Count an attempt; None when it may go on.

        Before the password is looked at: attempts that are made at the same time all count.
        """
        for limit, key in self._keys.items():
            if _count(key, limit.window) <= limit.attempts:
                continue
            if limit in (HOUR, NETWORK, EVERYWHERE) and _is_let_in(self._account):
                continue
            return Wait(limit, math.ceil(limit.window - self._now % limit.window))
        return None

    def forgive(self) -> None:
        """It was the right password: what came before were its owner's mistakes, and this one was
        no attempt to guess."""
        for cache in (caches["default"], caches["local"]):
            try:
                cache.delete_many([self._keys[ACCOUNT], self._keys[HOUR]])
                for limit in (ADDRESS, NETWORK, EVERYWHERE):
                    with contextlib.suppress(ValueError):  # it was counted elsewhere, or ran out
                        cache.decr(self._keys[limit])
            except RedisError as error:
                logger.warning("login: an attempt could not be forgiven: %.200s", error)


def let_in(account: str) -> None:
    """For ten minutes, attempts at the account count for their address alone."""
    caches["default"].set(_let_in_key(account), True, timeout=LET_IN)


def _is_let_in(account: str) -> bool:
    try:
        return bool(caches["default"].get(_let_in_key(account)))
    except RedisError:
        return False


def _let_in_key(account: str) -> str:
    return f"login:{_digest('let_in', account.casefold())}"


def _digest(kind: str, subject: str) -> str:
    """Cache keys are short, and names of accounts are nobody's business."""
    return hashlib.sha256(f"{kind}\0{subject}".encode()).hexdigest()[:32]


def _count(key: str, window: int) -> int:
    """One more. In this process's memory while Redis is away: then each web process counts for
    itself, which is still slow enough for whoever guesses."""
    try:
        return _increase(caches["default"], key, window)
    except RedisError as error:
        logger.warning("login: counted in this process only, Redis is away: %r", error)
        return _increase(caches["local"], key, window)


def _increase(cache: BaseCache, key: str, window: int) -> int:
    cache.add(key, 0, timeout=window)
    try:
        return int(cache.incr(key))
    except ValueError:  # it ran out in between
        return 1


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # unfold has no types
    def clean(self) -> dict[str, Any]:
        account = self.cleaned_data.get("username")
        if not account or not self.cleaned_data.get("password"):
            cleaned: dict[str, Any] = super().clean()
            return cleaned
        address = address_of(self.request)
        throttle = Throttle(address, account, time.time(), mark_of(self.request, account))
        wait = throttle.take()
        if wait is not None:
            raise ValidationError(_refusal(wait, address), code="too_many_attempts")
        cleaned = super().clean()
        throttle.forgive()
        return cleaned


@receiver(user_logged_in)
def keep_session(request: HttpRequest, **_: Any) -> None:
    """A guest's, which this one may have been, is kept for a day only."""
    request.session.set_expiry(None)


def _refusal(wait: Wait, address: str) -> str:
    until = f"Try again in {_in_words(wait.seconds)}"
    if wait.limit is EVERYWHERE:
        logger.warning("login: too many attempts at one account, the last one from %s", address)
        return (
            f"Too many attempts at this account from many addresses. {until}, or now from a "
            "browser that was logged in to it before; or have whoever runs this server call "
            "manage.py let_in."
        )
    logger.warning("login: too many attempts from %s", address)
    if wait.limit is NETWORK:
        return f"Too many attempts at this account from your network. {until}, or elsewhere."
    return f"Too many attempts from your address. {until}."


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
