"""A broadcast changes, fails, ends and begins again; the page of a viewer goes along."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import Stack, until
from tests.acceptance.viewer import VIDEO, Viewer

NAME = "changing"
QUALITIES = "[...document.querySelector('#video').videoRenditions].map(r => r.height).join(' ')"


class Scene:
    """The stream and its only viewer."""

    def __init__(self, stack: Stack, publisher: Publisher, viewer: Viewer) -> None:
        self._stack = stack
        self.publisher = publisher
        self.viewer = viewer

    def state(self) -> tuple[str, str | None]:
        told = self._stack.get(f"/api/streams/{NAME}").json
        return told["state"], told["reason"]

    def change(self, columns: str) -> None:
        """Of the open broadcast."""
        self._stack.shell(
            "from django.db.models import F\n"
            "from streams.models import Broadcast\n"
            f"Broadcast.objects.filter(open_key__isnull=False).update({columns})"
        )

    def use_ladder(self, *heights: int) -> None:
        """From the next run on, which begins now."""
        self._stack.shell(
            "from streams.ladder.rungs import DEFAULT_RUNGS\n"
            "from streams.models import LadderProfile, Stream\n"
            "from streams.models.ladder_profile import LadderRendition\n"
            f"profile = LadderProfile.objects.create(name='for {heights}',"
            f" allow_copy={720 in heights})\n"
            "for rung in DEFAULT_RUNGS:\n"
            f"    if rung.height in {heights}:\n"
            "        LadderRendition.from_rung(profile, rung).save()\n"
            f"Stream.objects.filter(name='{NAME}').update(ladder=profile)"
        )
        self.kill_encoder()

    def kill_encoder(self) -> None:
        for pid in self._stack.encoders():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def scene(stack: Stack, browser: Browser) -> Iterator[Scene]:
    stack.add_stream(NAME, grace=9)
    with Publisher(stack.rtmp, NAME) as publisher:
        viewer = Viewer(browser, stack, NAME)
        viewer.stage("playing", 25)
        viewer.time_moves()
        yield Scene(stack, publisher, viewer)


def test_the_quality_menu_follows_the_ladder(stack: Stack, scene: Scene) -> None:
    viewer = scene.viewer
    viewer.until(f"{QUALITIES} === '360 480 720'", 10)
    viewer.page.evaluate(f"{VIDEO}.muted = false; {VIDEO}.volume = 0.3")
    for what, heights in (("loses", (480, 360)), ("regains", (720, 480, 360))):
        viewer.watch_closely()
        viewer.watch_anew_at("hlsLevelsUpdated")
        scene.use_ladder(*heights)
        viewer.until(f"{QUALITIES} === '{' '.join(map(str, sorted(heights)))}'", 30)
        # What was buffered is of the ladder before.
        viewer.until(f"{VIDEO}.videoHeight === {max(heights)}", 30)
        viewer.time_moves()
        before, seen = viewer.saw("before"), viewer.saw()
        stack.notes.append(
            f"the ladder {what} a rung: the picture stood for {seen.stood:.2f} s and jumped by "
            f"{seen.jumped:.2f} s; before, for FFmpeg's replacement, {before.stood:.2f} s"
        )
        assert seen.stood < 0.5
        assert seen.jumped < 0.5
    assert viewer.page.evaluate(f"[{VIDEO}.muted, {VIDEO}.volume]") == [False, 0.3]


def test_the_viewer_chooses_a_quality_that_came_back(scene: Scene) -> None:
    page = scene.viewer.page
    for height in (480, 720, 360):
        page.hover("#stage")
        page.click("media-rendition-menu-button")
        page.get_by_role("menuitemradio", name=f"{height}p", exact=True).click()
        scene.viewer.until(f"{VIDEO}.videoHeight === {height}", 20)
    scene.viewer.time_moves()


def test_a_chosen_quality_that_goes_away_is_no_longer_chosen(scene: Scene) -> None:
    scene.use_ladder(720, 480)
    scene.viewer.until(f"{QUALITIES} === '480 720'", 30)
    scene.viewer.time_moves()
    assert scene.viewer.page.evaluate("document.querySelector('#video').api.manualLevel") == -1


def test_a_failed_broadcast_says_so_and_goes_on_when_it_is_tried_again(scene: Scene) -> None:
    scene.change("gave_up_on=F('ingest_name')")
    scene.kill_encoder()
    until(lambda: scene.state() == ("offline", "failed"), 15, "the broadcast has failed")
    scene.viewer.stage("failed", 20)
    expect(scene.viewer.page.locator("#badge")).to_have_text("Problem")
    scene.change("gave_up_on='', crashes=0")
    scene.viewer.stage("playing", 30)
    scene.viewer.time_moves()


def test_the_page_follows_the_end_and_the_next_beginning(stack: Stack, scene: Scene) -> None:
    viewer = scene.viewer
    scene.publisher.stop()
    left = time.monotonic()
    viewer.stage("reconnecting", 15)
    viewer.stage("ended", 30)
    stack.note("publisher gone to “ended” on the page, with 9 s of grace", left)
    assert scene.state() == ("offline", "ended")
    expect(viewer.page.locator("#badge")).to_have_text("Ended")
    scene.publisher.start()
    began = time.monotonic()
    viewer.stage("playing", 30)
    stack.note("the next publish to playing on the same page", began)
    viewer.time_moves()
    assert viewer.page.evaluate("window.firstLoad")
    assert viewer.errors == []
