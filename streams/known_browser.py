"""A browser that was logged in to an account before: a signed cookie of its own says so."""

import hashlib
import secrets
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from streams.models import User

Answer = Callable[[HttpRequest], HttpResponse]
AGE = 365 * 86_400


def mark_of(request: HttpRequest, account: str) -> str:
    """What tells this browser from others that know the account; empty: it was never in there."""
    # What signs it holds its name, so one account's is none for another.
    return request.get_signed_cookie(_cookie(account), default="", max_age=AGE) or ""


@receiver(user_logged_in)
def note_login(request: HttpRequest, user: User, **_: object) -> None:
    """The answer, which takes the cookie along, does not exist yet."""
    request.logged_in_to = user.get_username()  # type: ignore[attr-defined]


def known_browser(get_response: Answer) -> Answer:
    """Middleware."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        account = getattr(request, "logged_in_to", "")
        if account:
            response.set_signed_cookie(
                _cookie(account),
                mark_of(request, account) or secrets.token_urlsafe(16),
                max_age=AGE,
                path=settings.LOGIN_URL,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return answer


def _cookie(account: str) -> str:
    """One for each account: there are people who have two."""
    return f"known_{hashlib.sha256(account.casefold().encode()).hexdigest()[:16]}"
