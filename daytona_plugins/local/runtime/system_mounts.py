"""/proc, /dev and /run of a sandbox: all sandboxes have the same, so they are mounted before it is known which one it is."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.lending import lend

if TYPE_CHECKING:
    from daytona_plugins.local.runtime.hostimage import HostImage
    from daytona_plugins.local.runtime.procplan import ProcPlan

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
SYSTEM: Final = ("proc", "dev", "run")
IN_MEMORY: Final = {"run": "mode=755", "dev/shm": "mode=1777"}
"""Where a sandbox has files that lie in memory, and how."""
_TMPFS_FLAGS: Final = kernel.MS_NOSUID | kernel.MS_NODEV


def make_system_mounts(place: str, image: HostImage, plan: ProcPlan) -> None:
    """Mount them in the directory *place*."""
    for name in SYSTEM:
        os.mkdir(f"{place}/{name}", mode=0o755)
    _mount_proc(f"{place}/proc", plan)
    _mount_dev(f"{place}/dev")
    for name, mode in IN_MEMORY.items():
        kernel.mount("tmpfs", f"{place}/{name}", "tmpfs", _TMPFS_FLAGS, mode)
    lend(image.lent, place)


def move_system_mounts(place: str, root: str) -> None:
    """Take them from *place* to where they belong below *root*."""
    for name in SYSTEM:
        _make_mount_point(f"{root}/{name}")
        kernel.move_mount(f"{place}/{name}", f"{root}/{name}")


def limit_files_in_memory(place: str, memory: int) -> None:
    """Count files in memory as memory: where only processes are looked at, they would be a way around the limit."""
    for name, mode in IN_MEMORY.items():
        kernel.mount(
            "tmpfs", f"{place}/{name}", "", kernel.MS_REMOUNT | _TMPFS_FLAGS, f"{mode},size={memory // 4}"
        )


def _make_mount_point(path: str) -> None:
    """An image from elsewhere may lack the directory, or have a link in its place that leads out of the sandbox."""
    if os.path.islink(path):
        os.unlink(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode=0o755)


def _mount_proc(target: str, plan: ProcPlan) -> None:
    kernel.mount("proc", target, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for name in plan.masked:
        kernel.bind("/dev/null", f"{target}/{name}", read_only=True)
    for name in plan.read_only:
        # An entry may be missing here though the host has it, such as those of a network namespace.
        with contextlib.suppress(FileNotFoundError):
            kernel.bind(f"{target}/{name}", f"{target}/{name}", read_only=True)


def _mount_dev(target: str) -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NOEXEC, "mode=755,size=64k")
    for name in DEVICES:
        os.close(os.open(f"{target}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        kernel.bind(f"/dev/{name}", f"{target}/{name}")
    for name, destination in DEVICE_LINKS.items():
        os.symlink(destination, f"{target}/{name}")
    os.mkdir(f"{target}/pts")
    kernel.mount(
        "devpts",
        f"{target}/pts",
        "devpts",
        kernel.MS_NOSUID | kernel.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )
    os.mkdir(f"{target}/shm")
