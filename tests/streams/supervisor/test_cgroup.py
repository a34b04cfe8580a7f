"""The logic on a tree of plain files; what the kernel does with it where its tree is ours."""

import os
import subprocess
from pathlib import Path

import pytest

from streams.supervisor import cgroup
from streams.supervisor.isolation import NO_LIMITS
from streams.supervisor.process import Process

SYSTEMD = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = (
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)
INNER = "41 31 0:38 /docker/c1 /cg\\040tree rw - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("self_cgroup", "mountinfo", "expected"),
    [
        ("0::/app.slice/worker\n", SYSTEMD, ("/sys/fs/cgroup/app.slice/worker", "/sys/fs/cgroup")),
        ("4:memory:/x\n0::/\n", HYBRID, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified")),
        ("0::/docker/c1/worker\n", INNER, ("/cg tree/worker", "/cg tree")),
        ("0::/docker/c1\n", INNER, ("/cg tree", "/cg tree")),
        ("0::/docker/c10\n", INNER, None),
        ("0::/../other\n", SYSTEMD, None),
        ("4:memory:/x\n", HYBRID, None),
        ("0::/\n", "35 31 0:32 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n", None),
    ],
)
def test_it_finds_its_own_cgroup_wherever_the_tree_is_mounted(
    self_cgroup: str, mountinfo: str, expected: tuple[str, str] | None
) -> None:
    found = cgroup.own(self_cgroup, mountinfo)
    assert found == (tuple(Path(path) for path in expected) if expected else None)


def tree(folder: Path, on: str = "cpu memory", there: str = "cpu io memory") -> Path:
    (folder / "worker").mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(there)
    (folder / "cgroup.subtree_control").write_text(on)
    (folder / "cgroup.procs").touch()
    return folder


def test_runs_lie_beside_the_worker_whose_own_cgroup_may_have_none_below(tmp_path: Path) -> None:
    top = tree(tmp_path)
    assert cgroup.parent_of_runs(top / "worker", top) == top


def test_controllers_that_are_there_are_switched_on(tmp_path: Path) -> None:
    top = tree(tmp_path, on="", there="memory io")
    cgroup.parent_of_runs(top / "worker", top)
    assert (top / "cgroup.subtree_control").read_text() == "+memory"


def test_without_a_controller_there_is_no_cgroup(tmp_path: Path) -> None:
    top = tree(tmp_path, on="", there="hugetlb")
    assert cgroup.parent_of_runs(top / "worker", top) is None


def test_what_systemd_did_not_leave_to_us_is_not_touched(tmp_path: Path) -> None:
    tree(tmp_path / "system.slice", on="")
    assert cgroup.parent_of_runs(tmp_path / "system.slice" / "worker", tmp_path) is None
    assert (tmp_path / "system.slice" / "cgroup.subtree_control").read_text() == ""


def test_what_systemd_left_to_us_is_used(tmp_path: Path) -> None:
    service = tree(tmp_path / "livestream.service")
    try:
        os.setxattr(service, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system keeps no attributes")
    assert cgroup.parent_of_runs(service / "worker", tmp_path) == service


def test_a_tree_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert cgroup.parent_of_runs(tmp_path / "gone", tmp_path / "gone") is None


def test_a_run_gets_its_limits_before_it_gets_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "livestream-run-r1"
    folder.mkdir()
    for name in ("cpu.weight.nice", "cpu.max", "memory.max", "memory.oom.group"):
        (folder / name).touch()
    entered = cgroup.enter(tmp_path, 4711, "r1", nice=5, memory=1_000_000, cores=1.5)
    assert entered == folder
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "cpu.weight.nice": "5",
        "cpu.max": "150000 100000",
        "memory.max": "1000000",
        "memory.oom.group": "1",
        "cgroup.procs": "4711",
    }


def test_no_limit_is_left_as_the_kernel_has_it(tmp_path: Path) -> None:
    (tmp_path / "livestream-run-r1").mkdir()
    for name in ("cpu.max", "memory.max"):
        (tmp_path / "livestream-run-r1" / name).write_text("max")
    cgroup.enter(tmp_path, 4711, "r1", nice=0, memory=0, cores=0.0)
    assert (tmp_path / "livestream-run-r1" / "memory.max").read_text() == "max"
    assert (tmp_path / "livestream-run-r1" / "cpu.max").read_text() == "max"


def test_leftovers_go_and_what_was_made_just_now_stays(tmp_path: Path) -> None:
    for name in ("livestream-run-old", "livestream-run-new", "other"):
        (tmp_path / name).mkdir()
    for name in ("livestream-run-old", "other"):
        os.utime(tmp_path / name, (0, 0))
    cgroup.remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["livestream-run-new", "other"]


def test_the_smallest_quota_above_us_counts(tmp_path: Path) -> None:
    inner = tmp_path / "slice" / "service"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    (tmp_path / "slice" / "cpu.max").write_text("150000 100000\n")
    assert cgroup.cpu_quota(inner, tmp_path) == 1.5
    (tmp_path / "slice" / "cpu.max").write_text("max 100000\n")
    assert cgroup.cpu_quota(inner, tmp_path) is None


@pytest.fixture
def kernels_tree() -> Path:
    place = cgroup.here()
    if place is None or place[0] != place[1] or not os.access(place[0], os.W_OK):
        pytest.skip("no cgroup (v2) tree in which cgroups can be made")
    return place[0]


def test_a_run_is_in_its_cgroup_until_it_ends(kernels_tree: Path, tmp_path: Path) -> None:
    process = Process.spawn(
        ["sleep", "60"], run_id="try", root=tmp_path, log=tmp_path / "log", limits=NO_LIMITS
    )
    folder = cgroup.enter(kernels_tree, process.pid, "try", nice=0, memory=0, cores=0.0)
    assert folder is not None
    assert cgroup.of(process.pid) == folder
    cgroup.leave(folder)
    assert folder.exists()
    adopted = Process.adopt("try", tmp_path)
    assert adopted is not None
    process.put_down()
    adopted.close()
    assert not folder.exists()


def test_a_cgroup_that_cannot_take_the_process_is_not_left_behind(kernels_tree: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert cgroup.enter(kernels_tree, gone.pid, "late", nice=0, memory=0, cores=0.0) is None
    assert not (kernels_tree / "livestream-run-late").exists()
