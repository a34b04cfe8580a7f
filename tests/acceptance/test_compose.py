"""The containers: built, started, published to, watched, restarted and taken down on a real engine.

The published ports have to be reachable where the tests run.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.acceptance.containers import Containers, StandIns, docker, why_no_engine
from tests.acceptance.playlist import Media, media, variants
from tests.acceptance.publisher import Publisher
from tests.acceptance.stack import until
from tests.conftest import NOTES
from tests.deploy.guide import OF_CONTAINERS, block
from tests.faults.player import Player

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
STREAM = "stream"
STORES = {"mongodb", "redis"}
OURS = {"setup", "web", "origin", "worker", "beat", "ingest", "edge"}
REACHABLE = {"ingest", "edge"}


@pytest.fixture(scope="module")
def containers(pytestconfig: pytest.Config) -> Iterator[Containers]:
    if reason := why_no_engine():
        pytest.skip(reason)
    stand_ins, containers = StandIns(), Containers()
    pytestconfig.stash.setdefault(NOTES, containers.notes)
    try:
        stand_ins.make()
        containers.first_up()
        yield containers
    finally:
        containers.remove()
        stand_ins.remove()
    assert not containers.leftovers()


@pytest.fixture(scope="module")
def player(containers: Containers) -> Iterator[Player]:
    """A viewer of the stream, which is on air for as long."""
    with (
        Publisher(containers.rtmp, containers.key, size="640x360"),
        Player(containers.web, STREAM) as player,
    ):
        until(lambda: player.begun, 40, "a picture")
        yield player


def playlist(containers: Containers) -> Media:
    return media(containers, variants(containers, STREAM)[0].path)


def test_every_service_is_healthy_and_the_database_made(containers: Containers) -> None:
    found = containers.inspect()
    assert set(found) == STORES | OURS
    setup = found.pop("setup")["State"]
    assert (setup["Status"], setup["ExitCode"]) == ("exited", 0)
    assert {name: one["State"]["Health"]["Status"] for name, one in found.items()} == dict.fromkeys(
        found, "healthy"
    )
    assert "All parts are well" in containers.app("status")
    checked = containers.execute("worker", "python", "manage.py", "check", "--deploy")
    assert "no issues" in checked.stdout + checked.stderr


def test_a_part_that_is_away_is_named(containers: Containers) -> None:
    containers.compose("stop", "redis")
    try:
        told = containers.call("status")
        assert (told.returncode, "  redis: " in told.stdout) == (1, True), told.stdout
    finally:
        containers.compose("start", "redis")
    until(lambda: containers.call("status").returncode == 0, 40, "all parts are well again")


def test_no_container_may_more_than_it_needs(containers: Containers) -> None:
    for name, one in containers.inspect().items():
        host = one["HostConfig"]
        assert one["Config"]["User"] in ("10001:10001", "999:999"), name
        assert host["ReadonlyRootfs"], name
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None), name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert (host["Privileged"], host["Init"]) == (False, True), name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Config"].keys() == {"max-size", "max-file"}, name
        # Nothing of the engine or of this machine is in it, but secrets that it cannot change.
        binds = [mount for mount in one["Mounts"] if mount["Type"] == "bind"]
        assert all(mount["Destination"].startswith("/run/secrets/") for mount in binds), name
        assert not any(mount["RW"] for mount in binds), name


def test_the_kernel_agrees(containers: Containers) -> None:
    for name in ("web", "worker", "edge", "mongodb", "redis"):
        status = containers.execute(name, "cat", "/proc/self/status").stdout
        lines = dict(line.split(":\t", 1) for line in status.splitlines())
        assert int(lines["CapBnd"], 16) == int(lines["CapEff"], 16) == 0, name
        assert lines["NoNewPrivs"] == "1", name
        assert containers.execute(name, "touch", "/srv/x").returncode != 0, name
    # The media belong to the worker alone.
    assert containers.execute("edge", "touch", "/var/lib/livestream/hls/x").returncode != 0
    assert containers.execute("web", "touch", "/var/lib/livestream/hls/x").returncode != 0


def test_only_ingest_and_edge_are_reachable_and_on_loopback_only(containers: Containers) -> None:
    for name, one in containers.inspect().items():
        ports = one["HostConfig"]["PortBindings"] or {}
        assert bool(ports) == (name in REACHABLE), name
        hosts = {binding["HostIp"] for bindings in ports.values() for binding in bindings}
        assert hosts <= {"127.0.0.1"}, name
        networks = {network.split("_")[-1] for network in one["NetworkSettings"]["Networks"]}
        assert ("front" in networks) == (name in REACHABLE), name
        assert ("data" in networks) != (name in REACHABLE | {"origin"}), name
    networks = docker(
        "network", "inspect", *(f"{containers.project}_{n}" for n in ("back", "data"))
    )
    assert all(network["Internal"] for network in json.loads(networks.stdout))


def test_the_way_out_and_the_way_to_the_stores_are_closed(containers: Containers) -> None:
    out = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
    for name in ("web", "worker", "origin", "beat"):
        refused = containers.execute(name, "python", "-c", out)
        assert "Network is unreachable" in refused.stderr, name
    for store in STORES:
        code = f"import socket; socket.getaddrinfo('{store}', 1)"
        assert "gaierror" in containers.execute("edge", "python", "-c", code).stderr


@pytest.mark.parametrize("path", ["/stat", "/control", "/rtmp/publish"])
def test_what_is_for_machines_is_closed_to_the_outside(containers: Containers, path: str) -> None:
    for port in (containers.web, containers.edge):
        assert containers.get(path, port).status in (403, 404)


def test_every_store_wants_its_password(containers: Containers) -> None:
    hello = (
        "import socket; s = socket.create_connection(('redis', 6379)); s.sendall(b'KEYS *\\r\\n')"
    )
    assert "NOAUTH" in containers.python("web", f"{hello}; print(s.recv(99))")
    ask = (
        "from pymongo import MongoClient; from pymongo.errors import OperationFailure\n"
        "try: print(MongoClient('mongodb').livestream.list_collection_names())\n"
        "except OperationFailure as error: print(error.code_name if hasattr(error, 'code_name')"
        " else error.details['codeName'])"
    )
    assert containers.python("web", ask) == "Unauthorized"


def test_a_stream_is_published_and_watched(containers: Containers, player: Player) -> None:
    shown = playlist(containers)
    segment = containers.get(shown.segments[-1].path)
    assert (segment.status, segment.body[4:8]) == (200, b"styp") or b"moof" in segment.body[:400]
    assert containers.get(f"/{STREAM}").status == 200
    until(lambda: len(player.loaded) >= 3, 20, "three segments")


def test_viewers_chat(containers: Containers, player: Player) -> None:
    address = f"ws://127.0.0.1:{containers.web}/ws/chat/{STREAM}/"
    with connect(address) as bob, connect(address) as eve:
        bob.send(json.dumps({"type": "message", "text": "hello from a container"}))
        assert heard(eve, "message")["text"] == "hello from a container"
    with connect(address) as late:
        assert heard(late, "welcome")["history"][-1]["text"] == "hello from a container"


def heard(socket: ClientConnection, kind: str) -> dict[str, object]:
    while True:
        event: dict[str, object] = json.loads(socket.recv(timeout=10))
        if event["type"] == kind:
            return event


def restart(service: str) -> Callable[[Containers], None]:
    def act(containers: Containers) -> None:
        done = containers.compose("restart", service)
        assert done.returncode == 0, done.stderr

    return act


def recreate(service: str) -> Callable[[Containers], None]:
    """As an upgrade does."""

    def act(containers: Containers) -> None:
        done = containers.compose("up", "-d", "--force-recreate", "--wait", service)
        assert done.returncode == 0, done.stderr

    return act


def hang_up_worker(containers: Containers) -> None:
    assert containers.compose("kill", "--signal", "HUP", "worker").returncode == 0


def kill_worker(containers: Containers) -> None:
    """The process in the container, as the kernel does when memory runs out."""
    celery = (
        "import os, pathlib, signal\n"
        "for entry in pathlib.Path('/proc').glob('[0-9]*'):\n"
        "    words = (entry / 'cmdline').read_bytes().split(b'\\0')\n"
        "    if any(word.endswith(b'/celery') for word in words):\n"
        f"        os.kill(int(entry.name), {int(signal.SIGKILL)}); print(entry.name)"
    )
    assert containers.python("worker", celery)


@pytest.mark.parametrize(
    ("act", "stalls", "same_run"),
    [
        pytest.param(restart("web"), 0.5, True, id="web restarted"),
        pytest.param(recreate("web"), 0.5, True, id="web replaced"),
        pytest.param(restart("origin"), 0.5, True, id="origin restarted"),
        pytest.param(restart("edge"), 4.0, True, id="edge restarted"),
        # FFmpeg goes on when only the worker's process ends…
        pytest.param(hang_up_worker, 0.5, True, id="worker's process restarted"),
        pytest.param(kill_worker, 0.5, True, id="worker's process killed"),
        # … and ends with its container.
        pytest.param(restart("worker"), 10.0, False, id="worker restarted"),
        pytest.param(recreate("worker"), 15.0, False, id="worker replaced"),
    ],
)
def test_the_viewer_goes_on_through(
    containers: Containers,
    player: Player,
    act: Callable[[Containers], None],
    stalls: float,
    same_run: bool,
    request: pytest.FixtureRequest,
) -> None:
    before, run = player.losses, playlist(containers).segments[-1].run
    began = time.monotonic()
    act(containers)
    until(lambda: containers.health() == {"healthy"}, 90, "every container is healthy")
    loaded = len(player.loaded)
    until(lambda: len(player.loaded) >= loaded + 3, 40, "three more segments")
    if not same_run:
        until(lambda: playlist(containers).segments[-1].run != run, 20, "a new run")
    after = player.losses
    containers.notes.append(
        f"{request.node.callspec.id}: stalled {after.stalled - before.stalled:.1f} s, lost "
        f"{after.lost - before.lost:.1f} s, over after {time.monotonic() - began:.1f} s"
    )
    assert not player.faults
    assert (playlist(containers).segments[-1].run == run) == same_run
    assert after.stalled - before.stalled <= stalls


def test_up_again_changes_nothing_and_throws_no_publisher_off(
    containers: Containers, player: Player
) -> None:
    before = {name: one["Id"] for name, one in containers.inspect().items()}
    said = containers.up()
    after = {name: one["Id"] for name, one in containers.inspect().items()}
    assert after == before
    assert "ingest goes on as it is" in said
    # They are told once only.
    assert containers.key not in said
    assert not player.faults


def test_no_secret_is_told_to_those_who_look_or_read_the_logs(
    containers: Containers, player: Player
) -> None:
    told = json.dumps(containers.inspect()) + containers.compose("logs").stdout
    for service in OURS - {"setup"} | STORES:
        words = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        told += containers.execute(service, "sh", "-c", words).stdout
    for image in ("livestream-app:test", "livestream-nginx:test"):
        told += docker("history", "--no-trunc", image).stdout
    hidden = {**containers.secrets(), "key": containers.key, "password": containers.password}
    for name, secret in hidden.items():
        assert secret not in told, f"{name} is told"


def test_an_upgrade_replaces_all_but_ingest_and_stores(
    containers: Containers, player: Player
) -> None:
    before = containers.inspect()
    lost = player.losses
    containers.pull()
    said = containers.up()
    after = containers.inspect()
    same = {name for name, one in after.items() if one["Id"] == before[name]["Id"]}
    assert same == STORES | {"ingest"}
    assert "ingest goes on as it is" in said
    assert after["web"]["Image"] != before["web"]["Image"]
    assert "# newer" in containers.execute("web", "cat", "livestream/__init__.py").stdout
    loaded = len(player.loaded)
    until(lambda: len(player.loaded) >= loaded + 3, 40, "three more segments")
    assert not player.faults
    stalled = player.losses.stalled - lost.stalled
    containers.notes.append(f"upgrade of all but the ingest: stalled {stalled:.1f} s")
    assert stalled <= 20.0


def up_plainly(containers: Containers) -> None:
    """As who does without app.sh."""
    up = containers.compose("up", "--detach", "--wait")
    assert up.returncode == 0, up.stderr + containers.state()


def test_all_is_still_there_after_down_and_up(containers: Containers) -> None:
    containers.app("down")
    assert containers.compose("ps", "--all", "--quiet").stdout == ""
    containers.forget_images()  # plain compose builds them, too
    up_plainly(containers)
    said = containers.manage("first_run")
    assert "PASSWORD" not in said
    assert f"STREAM_NAME={STREAM}" in said
    assert variants(containers, STREAM) == [] or playlist(containers).ended
    with Publisher(containers.rtmp, containers.key, size="640x360"):
        until(lambda: on_air(containers), 40, "on air again with the old key")


def test_a_backup_fills_new_volumes(containers: Containers) -> None:
    for _ in range(2):  # the second takes the first one's place
        containers.shell(block("backup", OF_CONTAINERS))
    backup = containers.checkout / "livestream-backup"
    assert {entry.name for entry in backup.iterdir()} == {"database.json", "secrets", ".env"}
    assert not backup.stat().st_mode & 0o077
    containers.compose("down", "--volumes")
    up_plainly(containers)
    assert STREAM not in containers.manage("dumpdata", "streams.stream")
    containers.shell(block("restore", OF_CONTAINERS))
    assert "PASSWORD" not in containers.manage("first_run")
    with Publisher(containers.rtmp, containers.key, size="640x360"):
        until(lambda: on_air(containers), 40, "on air with the key of the backup")


def test_a_trial_on_sqlite_moves_in(containers: Containers) -> None:
    containers.compose("down", "--volumes")
    containers.begin_trial()
    issue = "from streams.models import Stream, StreamKey;"
    issue += "print('key=' + StreamKey.issue(Stream.objects.create(name='stream')))"
    key = containers.shell(f'./deploy/app.sh manage shell --verbosity 0 -c "{issue}"')
    said = containers.shell(block("move", OF_CONTAINERS))
    assert "All of it is there" in said
    assert f"Page          http://localhost:{containers.web}/{STREAM}" in said
    with Publisher(containers.rtmp, key.strip().removeprefix("key="), size="640x360"):
        until(lambda: on_air(containers), 40, "on air with the key of the trial")


def on_air(containers: Containers) -> bool:
    return bool(variants(containers, STREAM)) and not playlist(containers).ended
