"""Guessing passwords at the admin's real form: who has to wait, and who never has to."""

import re
import threading
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import identify_hasher
from django.core.cache import caches
from django.test import Client

from streams import login
from streams.login import ACCOUNT, ADDRESS, Throttle
from streams.models import Stream, User

PASSWORD = "correct horse battery"
GUESSER, OWNER = "198.51.100.66", "203.0.113.7"
REFUSAL = re.compile(r"Too many attempts from your address\. Try again in \d+ (second|minute)s?\.")


@pytest.fixture(autouse=True)
def _root(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    caches["local"].clear()
    # In the middle of a window, so that none ends during a test.
    monkeypatch.setattr(login.time, "time", lambda: 1_800_000_000.0 + login.WINDOW / 2)


def log_in(address: str, password: str, name: str = "root") -> Any:
    return Client().post(
        "/admin/login/",
        {"username": name, "password": password, "next": "/admin/"},
        headers={"X-Forwarded-For": address},
    )


def is_in(answer: Any) -> bool:
    return bool(answer.status_code == 302 and answer.headers["Location"] == "/admin/")


def has_to_wait(answer: Any) -> bool:
    return answer.status_code == 200 and bool(REFUSAL.search(answer.content.decode()))


def test_whoever_guesses_has_to_wait_and_is_told_how_long() -> None:
    for _ in range(ACCOUNT.attempts):
        answer = log_in(GUESSER, "wrong")
        assert answer.status_code == 200
        assert not has_to_wait(answer)
    assert "Try again in 3 minutes." in log_in(GUESSER, "wrong").content.decode()


def test_even_the_right_password_has_to_wait_then() -> None:
    for _ in range(ACCOUNT.attempts):
        log_in(GUESSER, "wrong")
    assert has_to_wait(log_in(GUESSER, PASSWORD))


def test_the_owner_gets_in_from_another_address_meanwhile() -> None:
    for _ in range(4 * ACCOUNT.attempts):
        log_in(GUESSER, "wrong")
    assert is_in(log_in(OWNER, PASSWORD))


def test_writing_the_name_differently_is_no_way_around() -> None:
    for name in ("root", "Root", "ROOT", "rooT", "roOt"):
        log_in(GUESSER, "wrong", name)
    assert has_to_wait(log_in(GUESSER, "wrong"))


def test_many_names_from_one_address_have_to_wait_too() -> None:
    for number in range(ADDRESS.attempts):
        assert not has_to_wait(log_in(GUESSER, "wrong", f"name-{number}"))
    assert has_to_wait(log_in(GUESSER, "wrong", "another"))
    assert is_in(log_in(OWNER, PASSWORD))


def test_one_network_of_ipv6_is_one_address() -> None:
    for number in range(ACCOUNT.attempts):
        log_in(f"2001:db8:1:2::{number}", "wrong")
    assert has_to_wait(log_in("2001:db8:1:2:ffff::1", "wrong"))
    assert not has_to_wait(log_in("2001:db8:1:3::1", "wrong"))


def test_what_a_client_says_about_itself_does_not_help() -> None:
    for number in range(ACCOUNT.attempts):
        log_in(f"6.6.6.{number}, {GUESSER}", "wrong")
    assert has_to_wait(log_in(f"7.7.7.7, {GUESSER}", "wrong"))


def test_the_right_password_forgives_the_mistakes_before_it() -> None:
    for _ in range(3):
        for _ in range(ACCOUNT.attempts - 1):
            log_in(OWNER, "mistyped")
        assert is_in(log_in(OWNER, PASSWORD))


def test_an_empty_form_is_no_attempt() -> None:
    for _ in range(2 * ACCOUNT.attempts):
        log_in(OWNER, "")
    assert is_in(log_in(OWNER, PASSWORD))


def test_the_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(ACCOUNT.attempts + 1):
        log_in(GUESSER, "wrong")
    now = login.time.time()
    monkeypatch.setattr(login.time, "time", lambda: now + login.WINDOW / 2)
    assert is_in(log_in(GUESSER, PASSWORD))


def test_attempts_at_the_same_time_all_count() -> None:
    waits: list[int] = []
    now = 1_800_000_000.0

    def attempt() -> None:
        waits.append(Throttle(GUESSER, "root", now).take())

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0] * ACCOUNT.attempts + [login.WINDOW] * (16 - ACCOUNT.attempts)


def test_without_redis_it_counts_all_the_same_and_the_owner_gets_in(
    settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    away = ["redis://127.0.0.1:1/0"]
    settings.CACHES = {
        name: {**cache, "LOCATION": away} if "redis" in cache["BACKEND"] else cache
        for name, cache in settings.CACHES.items()
    }
    for _ in range(ACCOUNT.attempts):
        assert not has_to_wait(log_in(GUESSER, "wrong"))
    assert has_to_wait(log_in(GUESSER, "wrong"))
    assert is_in(log_in(OWNER, PASSWORD))
    assert "Redis is away" in caplog.text


def test_another_site_cannot_send_the_form() -> None:
    browser = Client(enforce_csrf_checks=True)
    form = {"username": "root", "password": PASSWORD, "next": "/admin/"}
    assert browser.post("/admin/login/", form).status_code == 403


def test_passwords_are_kept_by_argon2_and_older_ones_become_so(settings: LazySettings) -> None:
    from livestream import settings as ours

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    root = User.objects.get(username="root")
    root.set_password(PASSWORD)
    root.save()
    settings.PASSWORD_HASHERS = ours.PASSWORD_HASHERS
    assert is_in(log_in(OWNER, PASSWORD))
    root.refresh_from_db()
    assert identify_hasher(root.password).algorithm == "argon2"


def test_a_right_password_is_no_attempt() -> None:
    """People behind one address log in as often as they like."""
    for _ in range(ADDRESS.attempts + 5):
        assert is_in(log_in(OWNER, PASSWORD))


def test_a_guest_who_logs_in_stays_as_long_as_anybody(settings: LazySettings) -> None:
    Stream.objects.create(name="stream")
    browser = Client()
    browser.get("/stream")
    data = {"username": "root", "password": PASSWORD, "next": "/admin/"}
    assert is_in(browser.post("/admin/login/", data))
    assert browser.session.get_expiry_age() == settings.SESSION_COOKIE_AGE
