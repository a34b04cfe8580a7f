"""The pages for viewers."""

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from streams.csp import content_security_policy, policy
from streams.models import Stream, User, Visibility
from tests.streams.test_api import put_on_air

EVIL = "</script><script>alert(1)</script>"


@pytest.mark.django_db
def test_the_home_page_is_friendly_when_nobody_is_on_air(client: Client) -> None:
    answer = client.get("/")
    assert 'data-state="none"' in answer.text
    assert "Nobody is on air" in answer.text


def test_the_home_page_shows_who_is_on_air(client: Client, stream: Stream) -> None:
    put_on_air(stream)
    Stream.objects.create(name="sleeper")
    page = client.get("/").text
    assert "Alice&#x27;s garden" in page
    assert 'href="/stream"' in page
    assert 'src="/hls/stream/thumb.jpg"' in page
    assert "sleeper" not in page


def test_the_home_page_gives_nobody_a_session(client: Client, stream: Stream) -> None:
    put_on_air(stream)
    assert not client.get("/").cookies


@pytest.mark.parametrize("path", ["/stream", "/watch/stream"])
def test_a_stream_has_one_canonical_page(client: Client, stream: Stream, path: str) -> None:
    User.objects.update(first_name="Alice", last_name="Miller")
    answer = client.get(path)
    assert answer.status_code == 200
    assert '<link rel="canonical" href="http://testserver/stream">' in answer.text
    assert "by Alice Miller" in answer.text
    assert "alice" not in answer.text  # logins are nobody's business
    assert "noindex" not in answer.text


def test_the_page_of_an_offline_stream_says_so_before_any_script(
    client: Client, stream: Stream
) -> None:
    assert 'class="stage" data-state="offline"' in client.get("/stream").text


@pytest.mark.parametrize(
    ("state", "shown"),
    [("live", "loading"), ("starting", "starting"), ("reconnecting", "reconnecting")],
)
def test_the_page_of_a_stream_on_air_begins_in_its_state(
    client: Client, stream: Stream, state: str, shown: str
) -> None:
    put_on_air(stream, state)
    assert f'class="stage" data-state="{shown}"' in client.get("/stream").text


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_titles_and_descriptions_stay_text(client: Client, stream: Stream, path: str) -> None:
    Stream.objects.update(title=EVIL, description=EVIL)
    put_on_air(stream)
    page = client.get(path).text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_an_unlisted_stream_is_reachable_but_not_for_search_engines(
    client: Client, stream: Stream
) -> None:
    Stream.objects.update(visibility=Visibility.UNLISTED)
    assert '<meta name="robots" content="noindex">' in client.get("/stream").text


def test_a_disabled_stream_looks_offline(client: Client, stream: Stream) -> None:
    put_on_air(stream)
    Stream.objects.update(enabled=False)
    assert 'class="stage" data-state="offline"' in client.get("/stream").text


def test_the_watch_page_gives_a_viewer_one_session(client: Client, stream: Stream) -> None:
    assert "sessionid" in client.get("/stream").cookies
    assert "sessionid" not in client.get("/stream").cookies
    assert Session.objects.count() == 1


def test_a_viewer_who_logged_in_keeps_the_session(client: Client, alice: User) -> None:
    Stream.objects.create(name="stream")
    client.force_login(alice)
    assert "sessionid" not in client.get("/stream").cookies


def test_a_look_at_the_headers_makes_no_session(client: Client, stream: Stream) -> None:
    assert not client.head("/stream").cookies


def test_the_watch_page_needs_three_queries_for_its_content(
    client: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    put_on_air(stream)
    client.get("/stream")  # from then on the viewer's session is in the cache
    with django_assert_num_queries(3):
        client.get("/stream")


@pytest.mark.django_db
def test_an_unknown_stream_is_a_page_that_leads_home(client: Client) -> None:
    answer = client.get("/nobody")
    assert answer.status_code == 404
    assert "No stream is called “nobody”" in answer.text
    assert 'class="button" href="/"' in answer.text
    assert not answer.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/Nobody", "/a/b", "/watch", "/static", "/-x", "/watch/live"])
def test_what_cannot_be_a_stream_is_not_looked_for(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_a_stream_never_hides_a_page(client: Client, stream: Stream) -> None:
    Stream.objects.update(name="admin")  # past all validation
    assert client.get("/admin")["Location"] == "/admin/"


def test_a_page_that_breaks_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("the shelf fell down")

    monkeypatch.setattr("streams.views.on_air", broken)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "shelf" not in answer.text


def test_the_page_knows_the_public_addresses(
    client: Client, stream: Stream, settings: LazySettings
) -> None:
    settings.PUBLIC_WS_URL = "wss://chat.example.org/ws"
    assert '"ws": "wss://chat.example.org/ws"' in client.get("/stream").text


def test_pages_may_talk_to_themselves_and_to_the_public_addresses_only() -> None:
    value = policy("", "http://chat.example.org/ws", "https://media.example.org:8443/hls")
    rules = dict(rule.split(" ", 1) for rule in value.split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["img-src"] == "'self' data: https://media.example.org:8443"
    assert set(rules["connect-src"].split()) == {
        "'self'",
        "ws://chat.example.org",
        "https://media.example.org:8443",
    }


@pytest.mark.parametrize(
    ("path", "scripts"), [("/stream", "'self'"), ("/admin/login/", "'self' 'unsafe-eval'")]
)
def test_no_page_may_have_scripts_in_it_nor_from_elsewhere(path: str, scripts: str) -> None:
    answer = content_security_policy(lambda _: HttpResponse())(RequestFactory().get(path))
    value = answer.headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in value.split("; "))
    assert rules["script-src"] == scripts
    assert (rules["object-src"], rules["base-uri"]) == ("'none'", "'none'")


def test_the_page_opens_without_redis(
    client: Client, stream: Stream, settings: LazySettings
) -> None:
    away = "redis://127.0.0.1:1/0"
    settings.CACHES = {name: {**cache, "LOCATION": away} for name, cache in settings.CACHES.items()}
    answer = client.get("/stream")
    assert answer.status_code == 200
    assert settings.SESSION_COOKIE_NAME in answer.cookies


def test_a_guests_session_is_kept_for_a_day(client: Client, stream: Stream) -> None:
    client.get("/stream")
    assert client.session.get_expiry_age() == 86_400
