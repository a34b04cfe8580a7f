"""Guessing passwords at the admin's real form: who has to wait, and who never has to."""

import re
import threading
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import identify_hasher
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import Client

from streams import known_browser, login
from streams.login import ACCOUNT, ADDRESS, EVERYWHERE, LET_IN, NETWORK, Throttle, Wait
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


def log_in(address: str, password: str, name: str = "root", browser: Client | None = None) -> Any:
    return (browser or Client()).post(
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


def guess_from_everywhere(name: str = "root") -> None:
    """As a botnet does: no network comes twice."""
    for number in range(EVERYWHERE.attempts):
        address = f"198.18.{number}.7"
        assert Throttle(address, name, login.time.time()).take() is None


def test_guesses_from_many_addresses_have_to_wait_too() -> None:
    guess_from_everywhere()
    answer = log_in(GUESSER, "wrong")
    assert "Too many attempts at this account" in answer.content.decode()
    assert "Try again in 58 minutes, or now from a browser" in answer.content.decode()
    assert not is_in(log_in(GUESSER, PASSWORD))
    User.objects.create_superuser("another", password=PASSWORD)
    assert is_in(log_in(GUESSER, PASSWORD, "another"))


def test_a_browser_that_was_logged_in_before_gets_in_meanwhile() -> None:
    browser = Client()
    assert is_in(log_in(OWNER, PASSWORD, browser=browser))
    cookie = next(value for name, value in browser.cookies.items() if name.startswith("known_"))
    assert (cookie["httponly"], cookie["path"]) == (True, "/admin/login/")
    guess_from_everywhere()
    browser.logout()
    browser.cookies[cookie.key] = cookie.value
    assert is_in(log_in(OWNER, PASSWORD, browser=browser))
    assert not is_in(log_in(OWNER, PASSWORD))


def test_a_browser_is_known_at_its_own_account_only() -> None:
    User.objects.create_superuser("another", password=PASSWORD)
    browser = Client()
    assert is_in(log_in(OWNER, PASSWORD, "another", browser=browser))
    cookie = next(value for name, value in browser.cookies.items() if name.startswith("known_"))
    stranger = Client()
    stranger.cookies[known_browser._cookie("root")] = cookie.value
    guess_from_everywhere()
    assert not is_in(log_in(OWNER, PASSWORD, browser=stranger))


def test_a_known_browser_may_not_guess_without_end_either() -> None:
    """Its cookie may have been stolen."""
    for number in range(EVERYWHERE.attempts):
        address = f"198.18.{number}.7"
        assert Throttle(address, "root", login.time.time(), "mark").take() is None
    wait = Throttle(GUESSER, "root", login.time.time(), "mark").take()
    assert wait == Wait(EVERYWHERE, EVERYWHERE.window - login.WINDOW // 2)
    assert Throttle(GUESSER, "root", login.time.time()).take() is None


@pytest.mark.parametrize("owner", [OWNER, GUESSER.replace(".66", ".7")])
def test_one_address_cannot_use_up_what_all_may_do_nor_what_its_network_may(owner: str) -> None:
    for window in range(EVERYWHERE.window // login.WINDOW):
        now = 1_800_000_000.0 + window * login.WINDOW
        for _ in range(50):
            Throttle(GUESSER, "root", now).take()
    assert Throttle(owner, "root", 1_800_000_000.0 + EVERYWHERE.window - 1).take() is None


def test_whoever_shares_the_owners_address_keeps_out_neither_known_browsers_nor_whom_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Client()
    assert is_in(log_in(OWNER, PASSWORD, browser=browser))
    for _ in range(3):
        for _ in range(ACCOUNT.attempts):
            log_in(OWNER, "wrong")
        later = login.time.time() + login.WINDOW
        monkeypatch.setattr(login.time, "time", lambda at=later: at)
    browser.cookies.pop("sessionid", None)
    assert not is_in(log_in(OWNER, PASSWORD))
    assert is_in(log_in(OWNER, PASSWORD, browser=browser))
    call_command("let_in", "root")
    assert is_in(log_in(OWNER, PASSWORD))


@pytest.mark.parametrize("network", ["198.51.100.{}", "2001:db8:1:{}::7"])
def test_nor_can_one_network(network: str) -> None:
    """Every address of it tries as often as it may, all the hour long."""
    admitted, limits = 0, set()
    for window in range(EVERYWHERE.window // login.WINDOW):
        now = 1_800_000_000.0 + window * login.WINDOW
        for number in range(50):
            wait = Throttle(network.format(number), "root", now).take()
            admitted += wait is None
            limits.add(wait.limit if wait is not None else None)
    assert admitted == NETWORK.attempts
    assert NETWORK in limits
    assert Throttle(OWNER, "root", 1_800_000_000.0 + EVERYWHERE.window - 1).take() is None


def test_a_whole_network_that_guesses_is_told_so() -> None:
    for number in range(NETWORK.attempts):
        log_in(f"198.51.100.{number}", "wrong")
    said = log_in(GUESSER, PASSWORD).content.decode()
    assert "Too many attempts at this account from your network. Try again in 58 minutes" in said
    assert is_in(log_in(OWNER, PASSWORD))


def test_right_passwords_from_everywhere_are_no_attempts() -> None:
    for number in range(3):
        for _ in range(EVERYWHERE.attempts // 2 - 1):
            throttle = Throttle(f"198.18.0.{number}", "root", login.time.time())
            assert throttle.take() is None
            throttle.forgive()


def test_who_runs_the_server_can_let_somebody_in(capsys: pytest.CaptureFixture[str]) -> None:
    guess_from_everywhere()
    assert not is_in(log_in(OWNER, PASSWORD))
    call_command("let_in", "root")
    assert f"For {LET_IN // 60} minutes root may log in" in capsys.readouterr().out
    assert is_in(log_in(OWNER, PASSWORD))
    # An address has its own limits all the same.
    for _ in range(ACCOUNT.attempts):
        log_in(GUESSER, "wrong")
    assert has_to_wait(log_in(GUESSER, PASSWORD))
    with pytest.raises(CommandError, match="no account named nobody"):
        call_command("let_in", "nobody")


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
    waits: list[Wait | None] = []
    now = 1_800_000_000.0

    def attempt() -> None:
        waits.append(Throttle(GUESSER, "root", now).take())

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(None) == ACCOUNT.attempts
    assert waits.count(Wait(ACCOUNT, ACCOUNT.window)) == 16 - ACCOUNT.attempts


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
