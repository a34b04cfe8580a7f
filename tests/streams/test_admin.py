"""The admin, as admins and streamers use it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from streams.models import Broadcast, LadderProfile, Run, Stream, StreamKey
from streams.supervisor.states import BroadcastState, Wanted

NO_KEYS = {"keys-TOTAL_FORMS": "0", "keys-INITIAL_FORMS": "0"}
VIDEO = {"codec": "h264", "width": 1280, "height": 720, "fps": 30.0}


@pytest.fixture
def broadcast(stream: Stream) -> Broadcast:
    broadcast = Broadcast.objects.create(
        stream=stream,
        open_key=stream.pk,
        state=BroadcastState.LIVE,
        source={"video": VIDEO, "audio": None},
        renditions=[{"name": "720p", "width": 1280, "height": 720, "video": "copy"}],
    )
    log = "<b>last words</b>"
    Run.objects.create(broadcast=broadcast, number=1, fence=1, host="here", log_tail=log)
    return broadcast


@pytest.mark.parametrize(
    "page",
    ["", "streams/stream/", "streams/broadcast/", "streams/run/", "streams/host/",
     "streams/ladderprofile/", "streams/user/", "auth/group/", "chat/message/",
     "streams/stream/add/", "streams/user/add/"],
)  # fmt: skip
def test_its_lists_open(admin: Client, broadcast: Broadcast, page: str) -> None:
    assert admin.get(f"/admin/{page}").status_code == 200


@pytest.mark.parametrize(
    ("page", "columns"), [("broadcast", [1]), ("run", [3])], ids=["broadcasts", "runs"]
)
def test_its_long_lists_are_sorted_only_by_what_has_an_index(
    admin: Client, broadcast: Broadcast, page: str, columns: list[int]
) -> None:
    text = admin.get(f"/admin/streams/{page}/").content.decode()
    assert [n for n in range(9) if re.search(rf"\?o=-?{n}\b", text)] == columns


def test_a_streams_page_shows_the_obs_settings(
    admin: Client, stream: Stream, settings: LazySettings
) -> None:
    StreamKey.issue(stream)
    page = admin.get(f"/admin/streams/stream/{stream.pk}/change/").content.decode()
    assert settings.RTMP_URL in page
    assert StreamKey.objects.get().hint in page


def test_a_new_key_is_shown_once_and_only_after_asking(admin: Client, stream: Stream) -> None:
    address = f"/admin/streams/stream/{stream.pk}/key/"
    admin.get(address)
    assert not StreamKey.objects.exists()
    answer = admin.post(address)
    key = StreamKey.objects.get()
    text = answer.content.decode().split('id="stream-key"')[1].split(">")[1].split("<")[0]
    assert StreamKey.find(text, timezone.now()) == key
    assert "no-store" in answer.headers["Cache-Control"]
    assert text not in admin.get(f"/admin/streams/stream/{stream.pk}/change/").content.decode()


def test_a_new_stream_leads_to_its_first_key(admin: Client) -> None:
    form = {
        "name": "new",
        "visibility": "public",
        "enabled": "on",
        "grace_seconds": "30",
        "ladder": str(LadderProfile.default().pk),
    }
    answer = admin.post("/admin/streams/stream/add/", form)
    assert answer.headers["Location"].endswith(f"{Stream.objects.get(name='new').pk}/key/")


@pytest.mark.parametrize("name", ["../etc", "Admin", "admin", "a b"])
def test_an_unsafe_name_is_refused_with_a_sentence(admin: Client, name: str) -> None:
    answer = admin.post("/admin/streams/stream/add/", {"name": name})
    assert answer.status_code == 200
    assert not Stream.objects.exists()


def test_stopping_a_broadcast_says_so_and_keeps_obs_off(
    admin: Client, broadcast: Broadcast
) -> None:
    address = f"/admin/streams/stream/{broadcast.stream_id}/stop/"
    admin.get(address)
    broadcast.refresh_from_db()
    assert broadcast.wanted == Wanted.ON
    admin.post(address)
    broadcast.refresh_from_db()
    assert broadcast.wanted == Wanted.OFF
    until = Stream.objects.get().refused_until
    assert until is not None
    assert until > timezone.now() + timedelta(minutes=4)


def test_a_broadcast_is_shown_and_cannot_be_edited(admin: Client, broadcast: Broadcast) -> None:
    answer = admin.get(f"/admin/streams/broadcast/{broadcast.pk}/change/")
    page = answer.content.decode()
    assert "h264 1280x720 at 30 fps" in page
    assert "&lt;b&gt;last words&lt;/b&gt;" in page
    assert admin.post(f"/admin/streams/broadcast/{broadcast.pk}/change/", {}).status_code == 403
    run = Run.objects.get()
    assert admin.get(f"/admin/streams/run/{run.pk}/change/").status_code == 200


def test_a_streamer_sees_only_what_is_hers(
    streamer: Client, stream: Stream, broadcast: Broadcast
) -> None:
    other = Stream.objects.create(name="other")
    Broadcast.objects.create(stream=other, open_key=other.pk)
    page = streamer.get("/admin/streams/stream/").content.decode()
    assert "stream/" in page
    assert ">other<" not in page
    assert streamer.get(f"/admin/streams/stream/{stream.pk}/change/").status_code == 200
    assert streamer.get(f"/admin/streams/stream/{other.pk}/change/").status_code == 302
    for address in (f"/admin/streams/stream/{other.pk}/{what}/" for what in ("key", "stop")):
        assert streamer.post(address).status_code == 404
    assert streamer.get(f"/admin/streams/broadcast/{broadcast.pk}/change/").status_code == 200
    theirs = Broadcast.objects.get(stream=other)
    assert streamer.get(f"/admin/streams/broadcast/{theirs.pk}/change/").status_code == 302
    assert streamer.get("/admin/streams/user/").status_code == 403


def test_a_streamer_cannot_enable_or_rename_her_stream(streamer: Client, stream: Stream) -> None:
    Stream.objects.update(enabled=False)
    form = {
        "name": "mine", "enabled": "on", "title": "New", "visibility": "public",
        "grace_seconds": "30", **NO_KEYS,
    }  # fmt: skip
    streamer.post(f"/admin/streams/stream/{stream.pk}/change/", form)
    stream.refresh_from_db()
    assert (stream.name, stream.enabled, stream.title) == ("stream", False, "New")


def test_who_is_not_logged_in_gets_the_login_page(client: Client, stream: Stream) -> None:
    for page in ("", f"streams/stream/{stream.pk}/key/"):
        assert "/admin/login/" in client.get(f"/admin/{page}").headers["Location"]


def test_the_first_page_shows_what_is_on_air(
    admin: Client, streamer: Client, broadcast: Broadcast
) -> None:
    other = Stream.objects.create(name="other")
    Broadcast.objects.create(stream=other, open_key=other.pk)
    change = "/admin/streams/broadcast/{}/change/"
    theirs = change.format(Broadcast.objects.get(stream=other).pk)
    page = admin.get("/admin/").content.decode()
    assert change.format(broadcast.pk) in page
    assert theirs in page
    page = streamer.get("/admin/").content.decode()
    assert change.format(broadcast.pk) in page
    assert theirs not in page


def test_a_stream_goes_with_its_history(admin: Client, broadcast: Broadcast) -> None:
    address = f"/admin/streams/stream/{broadcast.stream_id}/delete/"
    assert admin.get(address).status_code == 200
    admin.post(address, {"post": "yes"})
    assert (Stream.objects.count(), Broadcast.objects.count(), Run.objects.count()) == (0, 0, 0)


def test_a_streamer_cannot_delete_her_stream(streamer: Client, broadcast: Broadcast) -> None:
    address = f"/admin/streams/stream/{broadcast.stream_id}/delete/"
    assert streamer.post(address, {"post": "yes"}).status_code == 403


def test_a_leaked_key_can_be_deleted_by_its_streamer(streamer: Client, stream: Stream) -> None:
    StreamKey.issue(stream)
    key = StreamKey.objects.get()
    form = {
        "title": "New",
        "visibility": "public",
        "grace_seconds": "30",
        "keys-TOTAL_FORMS": "1",
        "keys-INITIAL_FORMS": "1",
        "keys-0-id": str(key.pk),
        "keys-0-stream": str(stream.pk),
        "keys-0-DELETE": "on",
    }
    streamer.post(f"/admin/streams/stream/{stream.pk}/change/", form)
    assert not StreamKey.objects.exists()


def test_a_stream_keeps_its_name_while_it_is_on_air(admin: Client, broadcast: Broadcast) -> None:
    address = f"/admin/streams/stream/{broadcast.stream_id}/change/"
    form = {
        "name": "renamed",
        "visibility": "public",
        "enabled": "on",
        "grace_seconds": "30",
        "ladder": str(LadderProfile.default().pk),
        **NO_KEYS,
    }
    assert "rename it when the broadcast has ended" in admin.post(address, form).content.decode()
    Broadcast.objects.update(open_key=None)
    admin.post(address, form)
    assert Stream.objects.get().name == "renamed"


@pytest.mark.parametrize(
    "address",
    ["nonsense/change/", "watch/nonsense/change/", "nonsense/watch/", "watch/x/", "x/rotate-key/"],
)
def test_an_address_with_no_id_is_not_there(admin: Client, address: str) -> None:
    assert admin.get(f"/admin/streams/stream/{address}").status_code in (302, 404)


def test_the_log_of_a_running_ffmpeg_is_shown(
    admin: Client, broadcast: Broadcast, settings: LazySettings, tmp_path: Path
) -> None:
    settings.HLS_ROOT = tmp_path
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ffmpeg.log").write_text("it complains already")
    Run.objects.update(log_tail="", folder="run")
    page = admin.get(f"/admin/streams/broadcast/{broadcast.pk}/change/").content.decode()
    assert "it complains already" in page


def test_odd_heights_are_refused(admin: Client) -> None:
    profile = LadderProfile.default()
    rendition = profile.renditions.all()[0]
    rendition.height = 481
    with pytest.raises(ValidationError):
        rendition.full_clean()
