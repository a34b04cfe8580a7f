"""`manage.py run_broadcast`: one broadcast in the foreground. The FFmpeg is a stand-in."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from streams import lease
from streams.models import Broadcast, Event, Run, Stream
from streams.supervisor.process import Process, find_runs
from streams.supervisor.states import RunState
from tests.streams.test_crew import _stand_in as _stand_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def root(settings: LazySettings, tmp_path: Path) -> Iterator[Path]:
    settings.HLS_ROOT = tmp_path
    yield tmp_path
    for found in find_runs(tmp_path):
        Process(found.pid).put_down(0)


@pytest.fixture
def garden() -> Stream:
    return Stream.objects.create(name="garden")


def publish(stream: Stream) -> Broadcast:
    return Broadcast.objects.create(
        stream=stream, open_key=stream.pk, ingest_name="in", ingest_since=timezone.now()
    )


class Meanwhile:
    """Does something in a thread of its own while the command runs here."""

    def __init__(self, when: Callable[[], object], act: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=self._work, args=(when, act))
        self._thread.start()

    def _work(self, when: Callable[[], object], act: Callable[[], object]) -> None:
        deadline = time.monotonic() + 15
        while not when() and time.monotonic() < deadline:
            time.sleep(0.05)
        act()
        connections.close_all()

    def over(self) -> None:
        self._thread.join()


def run_broadcast(name: str = "garden", output: StringIO | None = None) -> str:
    output = output or StringIO()
    call_command("run_broadcast", name, stdout=output)
    return output.getvalue()


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(garden: Stream) -> None:
    with pytest.raises(CommandError, match=r"no stream named gradn\. There are: garden"):
        run_broadcast("gradn")


def test_what_a_worker_drives_is_left_to_it(garden: Stream) -> None:
    assert lease.acquire(publish(garden).pk, "elsewhere:1:2:3:4") is not None
    with pytest.raises(CommandError, match="driven by a worker on elsewhere already"):
        run_broadcast()


def test_ctrl_c_hands_over_and_ffmpeg_goes_on(garden: Stream, root: Path) -> None:
    broadcast = publish(garden)
    meanwhile = Meanwhile(Event.objects.filter(kind="run_started").exists, ctrl_c)
    said = run_broadcast()
    meanwhile.over()
    assert "goes on, and the next worker" in said
    assert len(list(find_runs(root))) == 1
    broadcast.refresh_from_db()
    assert (broadcast.holder, Run.objects.get().state) == ("", RunState.STARTING)


def test_it_waits_for_a_publisher_and_tells_what_happens(garden: Stream) -> None:
    output = StringIO()

    def stop_by_hand() -> None:
        Broadcast.objects.update(wanted="off")

    def come_and_go() -> None:
        publish(garden)
        Meanwhile(Run.objects.exists, stop_by_hand).over()

    meanwhile = Meanwhile(output.getvalue, come_and_go)
    said = run_broadcast(output=output)
    meanwhile.over()
    assert "Waiting for a publisher of garden." in said
    assert "ended: The broadcast was stopped." in said
    assert Broadcast.objects.get().open_key is None


def test_without_a_publisher_ctrl_c_just_ends_it(garden: Stream) -> None:
    output = StringIO()
    meanwhile = Meanwhile(output.getvalue, ctrl_c)
    said = run_broadcast(output=output)
    meanwhile.over()
    assert said == "Waiting for a publisher of garden.\n"


def test_it_says_when_another_worker_took_over(garden: Stream) -> None:
    broadcast = publish(garden)

    def take_over() -> None:
        Broadcast.objects.update(holder="elsewhere:1:2:3:4", fence=9)

    meanwhile = Meanwhile(Run.objects.exists, take_over)
    with pytest.raises(CommandError, match="Another worker took over"):
        run_broadcast()
    meanwhile.over()
    broadcast.refresh_from_db()
    assert broadcast.holder == "elsewhere:1:2:3:4"
