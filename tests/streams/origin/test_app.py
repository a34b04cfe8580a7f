import gzip
import os
import re
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette

from streams.origin.app import FRESH, create_app
from tests.streams.origin.conftest import BROADCAST, STREAM, Station, ask

HLS = f"/hls/{STREAM}"
MEDIA = f"{HLS}/{BROADCAST}"


@pytest.fixture
def app(station: Station) -> Starlette:
    return create_app(station.root)


async def error(app: Starlette, path: str, method: str = "GET") -> tuple[int, str]:
    answer = await ask(app, path, method)
    found = re.search(r'"error":"(\w+)","detail":"[^"].*\."', answer.text)
    return answer.status, found[1] if found else answer.text


@pytest.mark.parametrize("end", ["/", "/master.m3u8"])
async def test_the_master_playlist_leads_to_the_renditions(
    station: Station, app: Starlette, end: str
) -> None:
    station.open_run("720p", "360p").write(1)
    answer = await ask(app, HLS + end)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["cache-control"] == FRESH["Cache-Control"]
    assert f"\n{BROADCAST}/720p.m3u8\n" in answer.text


async def test_without_a_slash_relative_addresses_begin_with_the_name(
    station: Station, app: Starlette
) -> None:
    station.open_run("720p").write(1)
    assert f"\n{STREAM}/{BROADCAST}/720p.m3u8\n" in (await ask(app, HLS)).text


async def test_a_media_playlist(station: Station, app: Starlette) -> None:
    station.open_run("720p").write(1)
    answer = await ask(app, f"{MEDIA}/720p.m3u8")
    assert answer.status == 200
    assert "0001-10000000/720p/000000.m4s" in answer.text
    assert answer.headers["cache-control"] == FRESH["Cache-Control"]


async def test_media_files_may_be_kept_for_ever(station: Station, app: Starlette) -> None:
    station.open_run("720p").write(1)
    answer = await ask(app, f"{MEDIA}/0001-10000000/720p/000000.m4s")
    assert (answer.status, len(answer.body)) == (200, 1000)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "video/iso.segment"
    assert (await ask(app, f"{MEDIA}/0001-10000000/720p/init.mp4")).status == 200


async def test_a_part_of_a_media_file(station: Station, app: Starlette) -> None:
    station.open_run("720p").write(1)
    path = f"{MEDIA}/0001-10000000/720p/000000.m4s"
    answer = await ask(app, path, headers={"Range": "bytes=10-19"})
    assert (answer.status, len(answer.body)) == (206, 10)


async def test_a_head_request_has_no_effect_on_the_headers(
    station: Station, app: Starlette
) -> None:
    station.open_run("720p").write(1)
    for path in (HLS, f"{MEDIA}/720p.m3u8", f"{MEDIA}/0001-10000000/720p/000000.m4s"):
        get, head = await ask(app, path), await ask(app, path, "HEAD")
        assert head.status == 200
        assert head.headers == get.headers


async def test_playlists_are_compressed_for_those_who_can(station: Station, app: Starlette) -> None:
    station.open_run("720p").write(20)
    plain = await ask(app, f"{MEDIA}/720p.m3u8")
    packed = await ask(app, f"{MEDIA}/720p.m3u8", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


async def test_media_files_are_not_compressed(station: Station, app: Starlette) -> None:
    station.open_run("720p").write(1)
    path = f"{MEDIA}/0001-10000000/720p/000000.m4s"
    answer = await ask(app, path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("path", [HLS, f"{MEDIA}/720p.m3u8", "/hls/nobody", "/hls/../x"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://example.org"}])
async def test_any_page_may_read_any_answer(
    station: Station, app: Starlette, path: str, headers: dict[str, str]
) -> None:
    station.open_run("720p").write(1)
    answer = await ask(app, path, headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_browser_may_ask_first(app: Starlette) -> None:
    headers = {"Origin": "https://example.org", "Access-Control-Request-Headers": "range"}
    answer = await ask(app, f"{MEDIA}/720p.m3u8", "OPTIONS", headers)
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == "Range"
    assert "GET" in answer.headers["access-control-allow-methods"]


async def test_it_takes_no_other_methods(station: Station, app: Starlette) -> None:
    assert (await ask(app, HLS, "POST")).status == 405


async def test_a_stream_nobody_knows(app: Starlette) -> None:
    assert await error(app, "/hls/nobody") == (404, "unknown_stream")
    assert await error(app, f"/hls/nobody/{BROADCAST}/720p.m3u8") == (404, "unknown_stream")


async def test_whether_a_stream_is_known_is_not_for_the_disk_to_say(station: Station) -> None:
    async def known(name: str) -> bool:
        return name == "shed"

    app = create_app(station.root, known)
    assert await error(app, "/hls/shed") == (404, "offline")
    assert await error(app, HLS) == (404, "unknown_stream")


async def test_a_broadcast_without_a_segment_is_offline(station: Station, app: Starlette) -> None:
    run = station.open_run("720p", "360p").write(1, only="720p")
    for path in (HLS, f"{MEDIA}/720p.m3u8"):
        assert await error(app, path) == (404, "offline")
    run.write(1, only="360p")
    assert (await ask(app, HLS)).status == 200


async def test_a_broadcast_that_stands_still_is_offline_after_a_while(
    station: Station, app: Starlette
) -> None:
    run = station.open_run("720p").write(1)
    segment = run.folder / "720p/000000.m4s"
    for age, status in ((55, 200), (65, 404)):  # 30 s of grace and 30 s more
        os.utime(segment, (time.time() - age,) * 2)
        assert (await ask(app, HLS)).status == status
        assert (await ask(app, f"{MEDIA}/720p.m3u8")).status == status


async def test_an_ended_broadcast_is_offline_but_can_be_played_to_its_end(
    station: Station, app: Starlette
) -> None:
    run = station.open_run("720p").write(1)
    os.utime(run.folder / "720p/000000.m4s", (1000, 1000))
    station.end()
    assert await error(app, HLS) == (404, "offline")
    assert (await ask(app, f"{MEDIA}/720p.m3u8")).text.endswith("#EXT-X-ENDLIST\n")


async def test_a_rendition_that_went_away_is_still_answered(
    station: Station, app: Starlette
) -> None:
    station.open_run("720p", "360p").write(1)
    station.open_run("360p").write(1)
    assert (await ask(app, f"{MEDIA}/720p.m3u8")).status == 200
    assert await error(app, f"{MEDIA}/480p.m3u8") == (404, "not_found")
    assert "720p" not in (await ask(app, HLS)).text


async def test_the_newest_thumbnail(station: Station, app: Starlette) -> None:
    first = station.open_run("720p").write(1)
    assert await error(app, f"{HLS}/thumb.jpg") == (404, "not_found")
    (first.folder / "thumb.jpg").write_bytes(b"old")
    second = station.open_run("720p")
    assert (await ask(app, f"{HLS}/thumb.jpg")).body == b"old"
    (second.folder / "thumb.jpg").write_bytes(b"new")
    answer = await ask(app, f"{HLS}/thumb.jpg")
    assert (answer.body, answer.headers["content-type"]) == (b"new", "image/jpeg")
    assert answer.headers["cache-control"] == FRESH["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/hls/..",
        "/hls/../secret",
        "/hls/%2e%2e/secret",
        "/hls/..%2fsecret",
        f"{HLS}%2fmaster.m3u8",
        f"/hls/%67arden/{BROADCAST}/720p.m3u8",
        f"{HLS}%00",
        f"{HLS}%0a",
        "/hls/GARDEN",
        "/hls/-garden",
        "/hls/" + "a" * 64,
        "/hls/gärden",
        "/hls//garden",
        f"{HLS}//master.m3u8",
        f"{HLS}/master.m3u8/",
        f"{HLS}/current/720p.m3u8",
        f"{HLS}/{BROADCAST.upper()}/720p.m3u8",
        f"{HLS}/{BROADCAST[1:]}/720p.m3u8",
        f"{MEDIA}/broadcast.json",
        f"{MEDIA}/720P.m3u8",
        f"{MEDIA}/0720p.m3u8",
        f"{MEDIA}/..m3u8",
        f"{MEDIA}/0001-10000000/run.json",
        f"{MEDIA}/0001-10000000/ffmpeg.log",
        f"{MEDIA}/0001-10000000/progress.txt",
        f"{MEDIA}/0001-10000000/thumb.jpg",
        f"{MEDIA}/0001-10000000/720p/index.m3u8",
        f"{MEDIA}/0001-10000000/720p/000000.m4s.tmp",
        f"{MEDIA}/0001-10000000/720p/0.m4s",
        f"{MEDIA}/0001-10000000/720p/..",
        f"{MEDIA}/0001-10000000/720p/../run.json",
        f"{MEDIA}/0001-10000000/720p/%2e%2e/run.json",
        f"{MEDIA}/0001-10000000/720p/000000.m4s%00.jpg",
        f"{MEDIA}/0001-10000000/720p/000000.m4s%0a",
        f"{MEDIA}/0001-10000000/720p/000000%2em4s",
        f"{MEDIA}/0001-10000000/720p/000001.m4s",
        f"{MEDIA}/0002-10000000/720p/000000.m4s",
        f"{MEDIA}/1-10000000/720p/000000.m4s",
    ],
)
async def test_there_is_nothing_at_crooked_addresses(
    station: Station, app: Starlette, path: str
) -> None:
    run = station.open_run("720p").write(1)
    (run.folder / "ffmpeg.log").write_text("secret")
    answer = await ask(app, path)
    assert answer.status == 404
    assert '"error":"' in answer.text
    assert "secret" not in answer.text.replace(path, "")


async def test_links_that_leave_the_disk_lead_nowhere(station: Station, tmp_path: Path) -> None:
    app = create_app(station.root)
    run = station.open_run("720p").write(1)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (run.folder / "720p/000007.m4s").symlink_to(secret)
    assert (await ask(app, f"{MEDIA}/0001-10000000/720p/000007.m4s")).status == 404
    elsewhere = tmp_path / "elsewhere"
    (station.root / STREAM).rename(elsewhere)
    (station.root / STREAM).symlink_to(elsewhere)
    for path in (HLS, f"{MEDIA}/720p.m3u8", f"{MEDIA}/0001-10000000/720p/000000.m4s"):
        assert (await ask(app, path)).status == 404
