"""A worker's name tells whether it is still there; when in doubt, it is."""

import os
import subprocess

import pytest

from streams import identity

NAMESPACE = os.readlink("/proc/self/ns/pid").strip("pid:[]")


def test_a_worker_at_work_is_not_dead() -> None:
    assert not identity.is_dead(identity.make())


def test_two_names_are_never_the_same() -> None:
    assert identity.make() != identity.make()


def renamed(**changes: str) -> str:
    parts = dict(
        zip(
            ("host", "world", "pid", "started", "nonce"),
            identity.make().split(":"),
            strict=True,
        )
    )
    return ":".join((parts | changes).values())


def test_a_pid_that_is_gone_is_dead() -> None:
    with subprocess.Popen(["true"]) as child:
        pass
    assert identity.is_dead(renamed(pid=str(child.pid)))


def test_a_pid_that_another_process_has_now_is_dead() -> None:
    assert identity.is_dead(renamed(started="1"))


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identity.is_dead(renamed(pid=str(child.pid)))
    child.wait()


@pytest.mark.parametrize(
    "holder",
    [
        "",
        "worker",
        renamed(host="elsewhere", pid="1"),
        renamed(world=f"1-{identity.make().split('-')[-1][:8]}", pid="1"),
        # Another machine of the same name, or this one before it was restarted.
        renamed(world=f"{NAMESPACE}-00000000", pid="1"),
    ],
)
def test_others_are_not_ours_to_judge(holder: str) -> None:
    assert not identity.is_dead(holder)
