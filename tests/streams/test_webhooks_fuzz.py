"""Whatever is posted to the webhooks: never a 500, and never in without a key."""

import string
from datetime import datetime
from typing import Any
from urllib.parse import quote_from_bytes

import hypothesis
import pytest
from django.conf import LazySettings
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from streams.models import Broadcast, Stream, StreamKey
from tests.streams.test_webhooks import FORM

PATHS = ["/rtmp/publish", "/rtmp/publish_done", "/rtmp/play"]
NAMES = [*FORM, "key", "KEY", "name[]", "", "flashver", "Location"]
VALUES = [
    "",
    "live",
    "publish",
    "stream",
    "127.0.0.1",
    "::1",
    "0",
    "-1",
    "11",
    "x" * 300,
    "\0",
    "é",
]
TYPES = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "multipart/form-data; boundary=x",
    "application/json",
    "",
]
# The real fields, and others of any bytes, in any order, some of them twice or raw.
fields = st.tuples(
    st.sampled_from(NAMES).map(str.encode) | st.binary(max_size=20),
    st.sampled_from(VALUES).map(str.encode) | st.binary(max_size=60),
)
places = st.integers(0, len(FORM) + 1)
honest = [(name.encode(), value.encode()) for name, value in FORM.items()]


def join(pairs: list[tuple[bytes, bytes]], raw: bool) -> bytes:
    if raw:
        return b"&".join(name + b"=" + value for name, value in pairs)
    return "&".join(f"{quote_from_bytes(n)}={quote_from_bytes(v)}" for n, v in pairs).encode()


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    kept = draw(st.lists(st.sampled_from(honest), max_size=len(honest) + 2))
    added = draw(st.lists(fields, max_size=8))
    return join(draw(st.permutations([*kept, *added])), draw(st.booleans()))


@st.composite
def whole(draw: st.DrawFn) -> bytes:
    """All that nginx sends, for any name, and as a key whatever a publisher may think of."""
    name = draw(st.sampled_from(["stream", "other", ""]) | st.text(max_size=40))
    form = {**FORM, "name": name, "addr": draw(st.sampled_from(["203.0.113.9", "127.0.0.1", ""]))}
    if draw(st.booleans()):
        form["key"] = draw(st.text(max_size=40))
    pairs = [(key.encode(), value.encode("utf-8", "replace")) for key, value in form.items()]
    return join(draw(st.permutations(pairs)), raw=False)


bodies = whole() | pieces() | st.binary(max_size=2000)
many = hypothesis.settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def stream(db: None) -> Stream:
    stream = Stream.objects.create(name="stream")
    StreamKey.issue(stream)
    return stream


def post(path: str, body: bytes, kind: str, secret: str) -> Any:
    # As it is: an exception of the view would be the 500.
    return Client(raise_request_exception=False).generic(
        "POST",
        path,
        body,
        content_type=kind,
        headers={"X-Ingest-Secret": secret, "X-Ingest-Node": "local"},
    )


@many
@given(body=whole())
def _ask_for_keys(stream: Stream, settings: LazySettings, body: bytes) -> None:
    assert post("/rtmp/publish", body, TYPES[0], settings.INGEST_SECRET).status_code == 403
    assert not Broadcast.objects.exists()


def test_no_whole_form_gets_in_without_a_key(
    stream: Stream, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they all come as far as to be asked for one."""
    asked: list[str] = []
    find = StreamKey.find

    def note(text: str, now: datetime) -> StreamKey | None:
        asked.append(text)
        return find(text, now)

    monkeypatch.setattr(StreamKey, "find", note)
    _ask_for_keys(stream, settings)
    assert len(asked) >= 100


@many
@given(twice=st.sampled_from([*FORM, "key"]), other=st.sampled_from(VALUES) | st.none(), at=places)
def _give_twice(key: str, settings: LazySettings, twice: str, other: str | None, at: int) -> None:
    real = {**FORM, "name": "stream", "key": key}
    again = real[twice] if other is None else other
    pairs = [(name.encode(), value.encode()) for name, value in real.items()]
    pairs.insert(at, (twice.encode(), again.encode()))
    answer = post("/rtmp/publish", join(pairs, raw=False), TYPES[0], settings.INGEST_SECRET)
    assert answer.status_code == 403
    assert not Broadcast.objects.exists()


def test_a_field_given_twice_is_refused_even_with_the_right_key(
    stream: Stream, settings: LazySettings
) -> None:
    """Any field, at any place, also with the same value; the rest is what is let in."""
    key = StreamKey.issue(stream)
    _give_twice(key, settings)
    assert publish(settings, ("key", key)) == 302


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["203.0.113.9"], 403),
        (["203.0.113.9", "127.0.0.1"], 403),
        (["127.0.0.1", "203.0.113.9"], 403),
        (["127.0.0.1", "127.0.0.1"], 403),
        (["127.0.0.1"], 302),
    ],
)
def test_where_the_name_is_enough_on_this_machine_nobody_can_say_to_be_on_it(
    stream: Stream, settings: LazySettings, addresses: list[str], status: int
) -> None:
    """A publisher elsewhere may write another address behind his own."""
    settings.OPEN_INGEST = True
    assert publish(settings, *(("addr", address) for address in addresses)) == status
    assert Broadcast.objects.exists() is (status == 302)


def publish(settings: LazySettings, *fields: tuple[str, str]) -> int:
    """For the stream, with these fields in place of those that nginx sends."""
    given = {name for name, _ in fields}
    rest = {**FORM, "name": "stream"}.items()
    pairs = [*((name, value) for name, value in rest if name not in given), *fields]
    body = join([(name.encode(), value.encode()) for name, value in pairs], raw=False)
    answer = post("/rtmp/publish", body, TYPES[0], settings.INGEST_SECRET)
    return int(answer.status_code)


@many
@given(path=st.sampled_from(PATHS), body=bodies, kind=st.sampled_from(TYPES))
def test_no_bytes_are_a_500_or_a_way_in(
    stream: Stream, settings: LazySettings, path: str, body: bytes, kind: str
) -> None:
    answer = post(path, body, kind, settings.INGEST_SECRET)
    assert answer.status_code in ((204, 403) if path == "/rtmp/publish_done" else (403,))
    assert answer.content == b""
    assert not Broadcast.objects.exists()


@many
@given(
    secret=st.text(alphabet=string.printable.strip() + "é€", max_size=60),
    path=st.sampled_from(PATHS),
    body=bodies,
)
def test_without_the_ingest_s_secret_there_is_nothing(
    stream: Stream, path: str, body: bytes, secret: str
) -> None:
    assert post(path, body, TYPES[0], secret).status_code == 404


@many
@given(added=st.lists(fields, min_size=1, max_size=6), raw=st.booleans(), first=st.booleans())
def test_a_key_with_whatever_behind_it_opens_its_own_stream_only(
    stream: Stream, settings: LazySettings, added: list[tuple[bytes, bytes]], raw: bool, first: bool
) -> None:
    other, _ = Stream.objects.get_or_create(name="other")
    real = {**FORM, "name": StreamKey.issue(stream)}
    own = [(name.encode(), value.encode()) for name, value in real.items()]
    pairs = [*added, *own] if first else [*own, *added]
    answer = post("/rtmp/publish", join(pairs, raw), TYPES[0], settings.INGEST_SECRET)
    assert answer.status_code in (302, 403)
    assert not Broadcast.objects.filter(stream=other).exists()
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith("stream-")
    Broadcast.objects.all().delete()
