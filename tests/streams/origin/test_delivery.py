"""Deliveries to a real nginx: what players of the store are told, whatever fails on the way."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.origin import delivery as module
from streams.origin import playlist, run_folder
from streams.origin.delivery import Delivery
from streams.origin.disk import Disk
from streams.origin.run_folder import NOTHING_BEFORE, Before
from streams.origin.store import Store, StoreAway
from tests.streams.origin.conftest import BROADCAST, NOON, STREAM, Writer, rendition
from tests.streams.origin.far import FarStore

HERE = f"{STREAM}/{BROADCAST}"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarStore]:
    far = FarStore(tmp_path / "far").start()
    yield far
    far.stop()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Host:
    """A host of workers: its disk, and its delivery."""

    def __init__(self, root: Path, far: FarStore, fence: int) -> None:
        self.root, self.far, self.clock = root, far, Clock()
        self.hold(fence)
        self.delivery = Delivery(far.client, root, STREAM, BROADCAST, self.clock)

    def hold(self, fence: int) -> None:
        """Take the lease."""
        self.fence = fence
        self.folder = run_folder.open_broadcast(self.root, STREAM, BROADCAST, NOON, 30, fence)

    def open_run(self, number: int, before: Before = NOTHING_BEFORE) -> Writer:
        names = ("720p", "360p")
        opened = run_folder.open_run(
            self.root, STREAM, BROADCAST, f"{number:032x}"[::-1], number,
            [rendition(name) for name in names], 2, self.fence, before,
        )  # fmt: skip
        return Writer(opened.folder, names, NOON)

    def deliver(self) -> None:
        self.delivery.deliver()

    def end(self) -> None:
        run_folder.end_broadcast(self.root, STREAM, BROADCAST, NOON)


@pytest.fixture
def host(tmp_path: Path, far: FarStore) -> Host:
    return Host(tmp_path / "one", far, fence=1)


def told(disk: Disk) -> list[str]:
    history = disk.history(STREAM, BROADCAST)
    text = playlist.compose(history, "720p", 2) if history is not None else None
    return text.splitlines() if text is not None else []


def shown(far: FarStore) -> list[str]:
    """What a player of the store is told."""
    return told(far.disk)


def segments(far: FarStore) -> list[str]:
    return [line for line in shown(far) if line.endswith(".m4s")]


def sequence(far: FarStore) -> int:
    return int(shown(far)[3].partition(":")[2])


def test_players_of_the_store_are_told_what_players_of_this_host_would_be(
    host: Host, far: FarStore
) -> None:
    run = host.open_run(1)
    for _ in range(40):
        run.write()
        host.deliver()
    assert shown(far) == told(Disk(host.root))
    assert len(segments(far)) == 30
    assert sequence(far) == 10
    assert far.disk.current(STREAM) == BROADCAST


def test_nothing_is_named_before_it_is_there(host: Host, far: FarStore) -> None:
    host.open_run(1).write(5)
    sent: list[str] = []
    put = far.client.put

    def note(path: str, data: bytes) -> None:
        sent.append(path.removeprefix(f"{HERE}/"))
        put(path, data)

    far.client.put = note  # type: ignore[method-assign]
    host.deliver()
    lists = [path for path in sent if path.endswith("index.m3u8")]
    media = [path for path in sent if path.endswith(".m4s")]
    assert sent[:2] == ["broadcast.json", "0001-10000000/run.json"]
    assert len(media) == 10
    assert sent[-2:] == lists


def test_only_what_is_new_is_sent(host: Host, far: FarStore) -> None:
    run = host.open_run(1).write(5)
    host.deliver()
    run.write()
    sent: list[str] = []
    put = far.client.put
    far.client.put = lambda path, data: (sent.append(path), put(path, data))[1]  # type: ignore
    host.deliver()
    assert sorted(path.rpartition("/")[2] for path in sent) == [
        "000005.m4s", "000005.m4s", "index.m3u8", "index.m3u8",
    ]  # fmt: skip
    sent.clear()
    host.deliver()
    assert sent == []


def test_a_courier_that_begins_anew_sends_nothing_twice(host: Host, far: FarStore) -> None:
    run = host.open_run(1).write(20)
    for _ in range(3):
        host.deliver()
    run.write(2)
    names: list[str] = []
    put = far.client.put
    far.client.put = lambda path, data: (names.append(path), put(path, data))[1]  # type: ignore
    Delivery(far.client, host.root, STREAM, BROADCAST).deliver()
    assert sorted({name[-10:] for name in names if name.endswith(".m4s")}) == [
        "000020.m4s", "000021.m4s",
    ]  # fmt: skip


def test_what_could_not_be_sent_is_sent_when_the_store_is_back(host: Host, far: FarStore) -> None:
    run = host.open_run(1).write(5)
    host.deliver()
    far.stop()
    run.write(3)
    with pytest.raises(StoreAway):
        host.deliver()
    assert len(segments(far)) == 5
    far.start()
    host.deliver()
    assert len(segments(far)) == 8


def test_after_a_long_outage_the_newest_come_and_numbers_never_go_back(
    host: Host, far: FarStore
) -> None:
    run = host.open_run(1).write(10)
    host.deliver()
    far.stop()
    run.write(40)
    with pytest.raises(StoreAway):
        host.deliver()
    far.start()
    host.deliver()
    assert sequence(far) == 40
    assert len(segments(far)) == module.MOST_LATE


def test_a_store_that_was_emptied_is_filled_again_once_the_broadcast_is_surely_not_over(
    host: Host, far: FarStore
) -> None:
    run = host.open_run(1).write(5)
    host.deliver()
    far.empty()
    run.write()
    host.clock.now += module.VERIFIED_EVERY
    host.deliver()
    assert far.disk.current(STREAM) is None
    host.clock.now += module.PATIENCE
    host.deliver()
    assert far.disk.current(STREAM) == BROADCAST
    assert len(segments(far)) == 6


def test_a_broadcast_that_is_over_and_removed_does_not_come_back(host: Host, far: FarStore) -> None:
    run = host.open_run(1).write(5)
    host.deliver()
    far.empty()
    run.write()
    host.end()
    host.clock.now += module.VERIFIED_EVERY
    host.deliver()
    host.clock.now += module.PATIENCE + module.VERIFIED_EVERY
    host.deliver()
    assert list(far.root.iterdir()) == []


def test_the_end_goes_last(host: Host, far: FarStore) -> None:
    host.open_run(1).write(3)
    host.deliver()
    host.open_run(2).write(2)
    host.end()
    host.deliver()
    assert shown(far)[-1] == "#EXT-X-ENDLIST"
    assert len(segments(far)) == 5
    assert far.disk.current(STREAM) is None


def test_a_segment_that_is_gone_before_it_was_sent_keeps_nothing_else(
    host: Host, far: FarStore
) -> None:
    run = host.open_run(1).write(5)
    (run.folder / "360p/000002.m4s").unlink()
    host.deliver()
    assert [line[-10:] for line in segments(far)] == ["000003.m4s", "000004.m4s"]


def test_renditions_that_were_hidden_are_hidden_there(host: Host, far: FarStore) -> None:
    run = host.open_run(1).write(3)
    host.deliver()
    run_folder.describe_run(run.folder, [rendition("360p")])
    host.deliver()
    history = far.disk.history(STREAM, BROADCAST)
    assert history is not None
    assert [r.name for r in history.runs[0].renditions] == ["360p"]


class TakeOver:
    """Two hosts: the first drove the broadcast until it was cut off, the second goes on."""

    def __init__(self, tmp_path: Path, far: FarStore) -> None:
        self.far = far
        self.first = Host(tmp_path / "one", far, fence=1)
        self.old = self.first.open_run(1).write(10)
        self.first.deliver()
        self.second = Host(tmp_path / "two", far, fence=2)
        far.client.put(
            f"{HERE}/broadcast.json", (self.second.folder / "broadcast.json").read_bytes()
        )
        known = far.client.before(f"{HERE}/{self.old.folder.name}")
        assert known is not None
        self.new = self.second.open_run(2, known)


@pytest.fixture
def takeover(tmp_path: Path, far: FarStore) -> TakeOver:
    return TakeOver(tmp_path, far)


def test_another_host_goes_on_just_where_players_were(takeover: TakeOver) -> None:
    takeover.new.write(3)
    takeover.second.deliver()
    lines = shown(takeover.far)
    assert (sequence(takeover.far), len(segments(takeover.far))) == (0, 13)
    at = lines.index("#EXT-X-DISCONTINUITY")
    before = [line for line in lines[:at] if line.endswith(".m4s")]
    after = [line for line in lines[at:] if line.endswith(".m4s")]
    assert (before[-1], after[0]) == (
        "0001-10000000/720p/000009.m4s", "0002-20000000/720p/000000.m4s",
    )  # fmt: skip


def test_a_host_that_was_cut_off_adds_nothing_when_it_returns(takeover: TakeOver) -> None:
    takeover.new.write(3)
    takeover.second.deliver()
    before = shown(takeover.far)
    takeover.old.write(4)
    takeover.first.deliver()
    assert shown(takeover.far) == before


def test_nor_does_it_between_the_look_of_the_other_host_and_its_first_segment(
    takeover: TakeOver,
) -> None:
    takeover.old.write(2)
    takeover.first.deliver()
    assert len(segments(takeover.far)) == 10


def test_a_host_that_was_cut_off_undoes_no_end(takeover: TakeOver) -> None:
    takeover.new.write(3)
    takeover.second.end()
    takeover.second.deliver()
    takeover.first.clock.now += module.VERIFIED_EVERY
    takeover.old.write(1)
    takeover.first.deliver()
    takeover.first.end()
    takeover.first.deliver()
    assert shown(takeover.far)[-1] == "#EXT-X-ENDLIST"
    assert json.loads((takeover.far.root / HERE / "broadcast.json").read_text())["fence"] == 2


def test_a_host_that_gets_the_broadcast_back_delivers_again(takeover: TakeOver) -> None:
    takeover.new.write(3)
    takeover.second.deliver()
    takeover.old.write(1)
    takeover.first.deliver()
    known = takeover.far.client.before(f"{HERE}/{takeover.new.folder.name}")
    assert known is not None
    takeover.first.hold(3)
    third = takeover.first.open_run(3, known)
    third.write(2)
    takeover.first.deliver()
    assert (sequence(takeover.far), len(segments(takeover.far))) == (0, 15)
    assert shown(takeover.far).count("#EXT-X-DISCONTINUITY") == 2


@pytest.mark.parametrize(
    ("method", "path", "secret", "status"),
    [
        ("PUT", f"{HERE}/broadcast.json", "wrong", 403),
        ("GET", f"{HERE}/broadcast.json", "", 403),
        ("DELETE", f"{HERE}/broadcast.json", None, 403),
        ("PUT", f"{HERE}/ffmpeg.log", None, 404),
        ("PUT", f"{HERE}/0001-10000000/720p/evil.html", None, 404),
        ("PUT", f"{STREAM}/../../conf/edge.conf", None, 404),
        ("PUT", f"{STREAM}/%2e%2e/{BROADCAST}/broadcast.json", None, 404),
        ("PUT", "broadcast.json", None, 404),
    ],
)
def test_the_store_takes_what_a_courier_brings_and_nothing_else(
    far: FarStore, method: str, path: str, secret: str | None, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", far.port, timeout=5)
    said = {"X-Store-Secret": far.place.secret if secret is None else secret}
    connection.request(method, f"/hls/{path}", b"{}", said)
    assert connection.getresponse().status in (status, 400)
    connection.close()
    assert list(far.root.iterdir()) == []


def test_a_file_that_was_cut_short_on_the_way_is_not_there(far: FarStore) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", far.port, timeout=5)
    connection.putrequest("PUT", f"/hls/{HERE}/broadcast.json")
    connection.putheader("X-Store-Secret", far.place.secret)
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"{")
    connection.close()
    assert far.client.get(f"{HERE}/broadcast.json") is None


def test_a_store_whose_secret_is_another_one_says_so() -> None:
    with pytest.raises(StoreAway, match="does not answer"):
        Store("http://127.0.0.1:1", "x").get("x")
