"""The courier, as the process it is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.origin.courier import STATUS_FILE, SURE_AFTER, Round, tell, told
from tests.acceptance.stack import until
from tests.deploy.installation import ROOT
from tests.streams.origin.conftest import BROADCAST, STREAM, Station
from tests.streams.origin.far import FarStore


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarStore]:
    far = FarStore(tmp_path / "far").start()
    yield far
    far.stop()


@pytest.fixture
def var(tmp_path: Path) -> Path:
    (tmp_path / "here/run").mkdir(parents=True)
    return tmp_path / "here"


@contextmanager
def courier(var: Path, *stores: FarStore) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.origin.courier"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "LIVESTREAM_VAR": str(var),
            "LIVESTREAM_INGEST_SECRET": stores[0].place.secret,
            "LIVESTREAM_DELIVER_TO": ",".join(f"http://127.0.0.1:{far.port}" for far in stores),
        },
    )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(10) in (0, -9)


def finished(far: FarStore) -> int:
    history = far.disk.history(STREAM, BROADCAST)
    return history.runs[-1].finished if history is not None and history.runs else 0


def trouble(var: Path) -> dict[str, str]:
    try:
        told: dict[str, str] = json.loads((var / "run" / STATUS_FILE).read_text())
    except FileNotFoundError:
        return {}
    return told


def test_it_goes_on_where_one_that_was_killed_stopped(far: FarStore, var: Path) -> None:
    run = Station(var / "hls").open_run("720p", "360p").write(3)
    with courier(var, far) as process:
        until(lambda: finished(far) == 3, 10, "three segments")
        process.kill()
        process.wait()
    run.write(2)
    with courier(var, far):
        until(lambda: finished(far) == 5, 10, "five segments")


def test_it_says_why_nothing_is_delivered_and_that_it_is_again(far: FarStore, var: Path) -> None:
    run = Station(var / "hls").open_run("720p").write(3)
    with courier(var, far):
        until(lambda: finished(far) == 3, 10, "three segments")
        far.stop()
        run.write()
        until(lambda: trouble(var), 10, "trouble")
        assert "does not answer" in trouble(var)[f"http://127.0.0.1:{far.port}"]
        far.start()
        until(lambda: finished(far) == 4 and not trouble(var), 10, "four segments")


def test_a_store_that_is_lost_does_not_keep_another_one(
    far: FarStore, var: Path, tmp_path: Path
) -> None:
    lost = FarStore(tmp_path / "lost")
    lost.place.secret = far.place.secret
    Station(var / "hls").open_run("720p").write(3)
    with courier(var, lost, far):
        until(lambda: finished(far) == 3, 10, "three segments")


def test_one_of_two_that_is_lost_is_told_of_once_it_may_be_known_why(
    far: FarStore, tmp_path: Path
) -> None:
    """By then its keeper is silent, too, if its host is lost as a whole."""
    Station(tmp_path / "hls").open_run("720p").write(3)
    now, status = [1000.0], tmp_path / STATUS_FILE
    lost = FarStore(tmp_path / "lost")
    rounds = [Round(store.client, tmp_path / "hls", lambda: now[0]) for store in (lost, far)]
    rounds[0].look()
    until(lambda: rounds[0].trouble, 10, "one cannot deliver")
    rounds[0]._deliver(SimpleNamespace(deliver=lambda: None))
    tell(status, rounds)
    assert told(status) == {}
    now[0] += SURE_AFTER
    tell(status, rounds)
    assert list(told(status)) == [lost.client.url]
    for round in rounds:
        round.close()
