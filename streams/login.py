"""The admin's login: whoever guesses passwords has to wait, and nobody else.

Attempts are counted for an address together with the account it tries, and for the address alone.
Never for the account alone: whoever knows its name could keep its owner out.
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

from streams.client_address import address_of

logger = logging.getLogger(__name__)

# Seconds.
WINDOW = 300


@dataclass(frozen=True)
class Limit:
    """So many attempts of one kind within a window; the next one has to wait for its end."""

    kind: str
    attempts: int

    def key(self, subject: str, now: float) -> str:
        # A digest: cache keys are short, and names of accounts are nobody's business.
        digest = hashlib.sha256(f"{self.kind}\0{subject}".encode()).hexdigest()[:32]
        return f"login:{digest}:{int(now // WINDOW)}"


ACCOUNT = Limit("account", 5)
# People behind one address may each mistype theirs.
ADDRESS = Limit("address", 30)


class Throttle:
    """The attempts of one address at one account."""

    def __init__(self, address: str, account: str, now: float) -> None:
        self._now = now
        self._keys = {
            ADDRESS: ADDRESS.key(address, now),
            ACCOUNT: ACCOUNT.key(f"{address}\0{account.casefold()}", now),
        }

    def take(self) -> int:
        """Count an attempt; the seconds it has to wait, 0 when it may go on.

        Before the password is looked at: attempts that are made at the same time all count.
        """
        # The address first: one that tries all names makes no key for each of them.
        for limit, key in self._keys.items():
            if _count(key) > limit.attempts:
                return math.ceil(WINDOW - self._now % WINDOW)
        return 0

    def forgive(self) -> None:
        """It was the right password: what came before were its owner's mistakes, and this one was
        no attempt to guess."""
        for cache in (caches["default"], caches["local"]):
            try:
                cache.delete(self._keys[ACCOUNT])
                with contextlib.suppress(ValueError):  # it was counted elsewhere, or ran out
                    cache.decr(self._keys[ADDRESS])
            except RedisError as error:
                logger.warning("login: an attempt could not be forgiven: %.200s", error)


def _count(key: str) -> int:
    """One more. In this process's memory while Redis is away: then each web process counts for
    itself, which is still slow enough for whoever guesses."""
    try:
        return _increase(caches["default"], key)
    except RedisError as error:
        logger.warning("login: counted in this process only, Redis is away: %r", error)
        return _increase(caches["local"], key)


def _increase(cache: BaseCache, key: str) -> int:
    cache.add(key, 0, timeout=WINDOW)
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
        throttle = Throttle(address_of(self.request), account, time.time())
        wait = throttle.take()
        if wait:
            logger.warning("login: too many attempts from %s", address_of(self.request))
            raise ValidationError(
                f"Too many attempts from your address. Try again in {_in_words(wait)}.",
                code="too_many_attempts",
            )
        cleaned = super().clean()
        throttle.forgive()
        return cleaned


@receiver(user_logged_in)
def keep_session(request: HttpRequest, **_: Any) -> None:
    """A guest's, which this one may have been, is kept for a day only."""
    request.session.set_expiry(None)


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
