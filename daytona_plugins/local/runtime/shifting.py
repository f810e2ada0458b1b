"""User ids of their own for the sandboxes of a platform that root runs.

Without this, user 0 of such a sandbox *is* root outside, only without capabilities: every check of an owner would find
the owner. So ids are shifted: user 0 inside is an id outside that nobody has.

Files keep their ids on disk. What a sandbox builds its root from (the data directory, the host's system directories) is
mounted once more with its ids shifted, in a mount namespace of the zygote, and all sandboxes are built from there. Those
mounts lie in a directory that anybody may pass through, because the user of a sandbox may not pass root's home.

Where a file system cannot be mounted like that, or the ids do not exist here, as in some containers, `shift` says so.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.idmaps import write_shifted_map

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daytona_plugins.local.runtime.hostimage import HostImage
    from daytona_plugins.local.runtime.spec import SandboxSpec

STAGES: Final = ("/mnt", "/media", "/srv")
"""Directories that every Linux has and that no sandbox is built from; one of them is covered in the zygote's view."""


class Shift(msgspec.Struct, frozen=True):
    """Where the zygote finds the data directory with its ids shifted."""

    data: str
    stage: str

    def spec(self, spec: SandboxSpec) -> SandboxSpec:
        """Return the same sandbox with its directories where the zygote sees them."""
        return msgspec.structs.replace(
            spec,
            upper=self.path(spec.upper),
            layers=tuple(map(self.path, spec.layers)),
            mounts=tuple(
                msgspec.structs.replace(mount, source=self.path(mount.source)) for mount in spec.mounts
            ),
        )

    def image(self, image: HostImage) -> HostImage:
        """Return the same image with its directories where the zygote sees them."""
        return msgspec.structs.replace(
            image,
            directory=self.path(image.directory),
            root=self.path(image.root),
            empty=self.path(image.empty),
            mount_point=self.path(image.mount_point),
            trees=[
                msgspec.structs.replace(tree, layers=[self.path(layer) for layer in tree.layers])
                for tree in image.trees
            ],
            python=image.python and f"{self.stage}/python",
            lent={name: f"{self.stage}/lent-{name}" for name in image.lent},
        )

    def path(self, path: str) -> str:
        """Return where the zygote sees what lies at *path*."""
        below = path == self.data or path.startswith(f"{self.data}/")
        return f"{self.stage}/data{path.removeprefix(self.data)}" if below else path


def shift(image: HostImage, data: str) -> Shift:
    """Mount everything again with shifted ids, in a mount namespace of this process from now on.

    Raises:
        OSError: That cannot be done on this machine, and nothing has changed.
    """
    made = Shift(data, next(stage for stage in STAGES if os.path.isdir(stage)))
    ids = _open_id_map()
    try:
        clones = {target: _clone(source, ids) for source, target in _sources(image, made)}
    finally:
        os.close(ids)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", made.stage, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=64k")
    for target, clone in clones.items():
        _make_target(target, clone)
        kernel.attach_mount(clone, target)
        os.close(clone)
    return made


def can_shift(data: str) -> bool:
    """Return whether the data directory and the system's programs can be mounted with shifted ids."""
    try:
        ids = _open_id_map()
        try:
            for source in (data, "/usr"):
                os.close(_clone(source, ids))
        finally:
            os.close(ids)
    except OSError:
        return False
    return True


def _sources(image: HostImage, made: Shift) -> Iterable[tuple[str, str]]:
    """Yield what is mounted again, and where; the host's system directories stay where they are."""
    yield made.data, f"{made.stage}/data"
    for tree in image.trees:
        yield from ((layer, layer) for layer in tree.layers if layer == f"/{tree.target}")
    if image.python is not None:
        yield image.python, f"{made.stage}/python"
    for name, program in image.lent.items():
        yield program, f"{made.stage}/lent-{name}"


def _clone(source: str, ids: int) -> int:
    descriptor = os.open(source, os.O_PATH | os.O_CLOEXEC)
    try:
        return kernel.clone_with_ids(descriptor, ids)
    finally:
        os.close(descriptor)


def _make_target(target: str, clone: int) -> None:
    if os.path.exists(target):
        return
    if os.path.isdir(f"/proc/self/fd/{clone}"):
        os.mkdir(target, mode=0o755)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _open_id_map() -> int:
    """Return a user namespace whose only use is the map that it has."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _hold_namespace(theirs, ours)
    os.close(theirs)
    try:
        if not os.read(ours, 1):
            raise OSError("no user namespace for a map of ids")
        write_shifted_map(child)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _hold_namespace(ready: int, other_end: int) -> None:
    """In the child: make a user namespace, and be there until the map has been written and kept."""
    try:
        os.close(other_end)
        kernel.unshare(kernel.CLONE_NEWUSER)
        os.write(ready, b"1")
        while True:
            signal.pause()
    finally:
        os._exit(1)
