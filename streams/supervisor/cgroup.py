"""Control groups (v2): one per run, where the kernel has them and they are ours to divide.

A cgroup that holds processes cannot hand controllers to cgroups below it, so a run's lies beside
the worker's own, in a parent that the service manager delegated (systemd: `Delegate=` with
`DelegateSubgroup=`). The cgroup that processes are started in is never given inner ones: with
FFmpegs left in those, a service manager could not start the worker again.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "livestream-run-"
CONTROLLERS = ("memory", "cpu")
# A cgroup younger than this may be waiting for its process.
LEFT_OVER_AFTER = 60.0
PERIOD = 100_000  # microseconds, of `cpu.max`


def own(self_cgroup: str, mountinfo: str) -> tuple[Path, Path] | None:
    """Folder of our cgroup and of the topmost we see, from the two files of /proc/self."""
    path = next((line[3:] for line in self_cgroup.splitlines() if line.startswith("0::")), None)
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if path is None or fields[fields.index("-") + 1] != "cgroup2":
            continue
        root, mount = _unescape(fields[3]), Path(_unescape(fields[4]))
        if root == "/" or path == root or path.startswith(f"{root}/"):
            inner = path if root == "/" else path.removeprefix(root)
            # Seen from outside of its namespace a path climbs: "/../x".
            return None if ".." in inner.split("/") else (mount / inner.lstrip("/"), mount)
    return None


def _unescape(field: str) -> str:
    return field.encode("latin-1").decode("unicode_escape") if "\\" in field else field


def here() -> tuple[Path, Path] | None:
    """`own` of this process."""
    with suppress(OSError):
        return own(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    return None


def parent_of_runs(own_folder: Path, top: Path) -> Path | None:
    """Where cgroups of runs may be made, with at least one controller on; None: nowhere."""
    parent = own_folder if own_folder == top else own_folder.parent
    if parent != top and not _delegated(parent):
        return None
    writable = all(os.access(path, os.W_OK) for path in (parent, parent / "cgroup.procs"))
    return parent if writable and _switched_on(parent) else None


def _delegated(folder: Path) -> bool:
    """systemd marks what it leaves to a service."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _switched_on(parent: Path) -> list[str]:
    """The controllers that cgroups below have, after switching on what can be."""
    switches = parent / "cgroup.subtree_control"
    try:
        there = (parent / "cgroup.controllers").read_text().split()
        for controller in CONTROLLERS:
            if controller in there and controller not in switches.read_text().split():
                with suppress(OSError):
                    switches.write_text(f"+{controller}")
        return [controller for controller in CONTROLLERS if controller in switches.read_text()]
    except OSError:
        return []


def enter(
    parent: Path, pid: int, run_id: str, *, nice: int, memory: int, cores: float
) -> Path | None:
    """Put the process into a cgroup of its own; None when that failed. 0: no limit."""
    folder = parent / f"{PREFIX}{run_id}"
    wanted = {
        "cpu.weight.nice": str(nice),
        "cpu.max": f"{round(cores * PERIOD)} {PERIOD}" if cores else "",
        "memory.max": str(memory) if memory else "",
        # A run with half of its threads gone is worth nothing.
        "memory.oom.group": "1",
    }
    try:
        folder.mkdir(exist_ok=True)
        for name, value in wanted.items():
            if value and (folder / name).exists():
                (folder / name).write_text(value)
        (folder / "cgroup.procs").write_text(str(pid))
    except OSError:
        leave(folder)
        return None
    return folder


def of(pid: int) -> Path | None:
    """The cgroup that `enter` gave this process, perhaps in an earlier worker."""
    place = here()
    if place is None:
        return None
    with suppress(OSError):
        mountinfo = Path("/proc/self/mountinfo").read_text()
        found = own(Path(f"/proc/{pid}/cgroup").read_text(), mountinfo)
        if found is not None and found[0].name.startswith(PREFIX):
            return found[0]
    return None


def leave(folder: Path) -> None:
    """Remove a run's cgroup; one that still holds a process stays."""
    with suppress(OSError):
        folder.rmdir()


def remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > LEFT_OVER_AFTER:
                leave(folder)


def cpu_quota(own_folder: Path, top: Path) -> float | None:
    """Cores that the cgroups above let us use; None: all of them."""
    quotas = []
    for folder in (own_folder, *own_folder.parents):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            quotas.append(int(quota) / int(period))  # "max" is no number
        if folder == top:
            break
    return min(quotas, default=None)
