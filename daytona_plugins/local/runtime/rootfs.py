"""The root of a sandbox: overlays over the host image, and its own /proc, /dev, /run and shared memory.

An overlay over the host's `/` itself is refused in a user namespace, because other file systems are mounted below it.
So the root is an overlay over a skeleton, and each live tree of the host gets an overlay of its own inside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.hostimage import PYTHON, HostImage, Tree
from daytona_plugins.local.runtime.mounts import attach_mounts, take_mounts
from daytona_plugins.local.runtime.spec import RESOLVER_ADDRESS, TRUST_FILE, hosts_file
from daytona_plugins.local.runtime.system_mounts import (
    limit_files_in_memory,
    make_system_mounts,
    move_system_mounts,
)

if TYPE_CHECKING:
    from daytona_plugins.local.runtime.procplan import ProcPlan
    from daytona_plugins.local.runtime.spec import SandboxSpec

TRUST_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
)  # fmt: skip  # where distributions keep what programs trust
OPTIONS_LIMIT: Final = 4095
WORK: Final = "work"
"""Where in a layer that is mounted the kernel works: no tree has this name."""


def begin_root(image: HostImage, proc: ProcPlan) -> None:
    """Mount what every sandbox has, beside the place where the root of this one will be."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    place = image.mount_point
    kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=64k")
    os.mkdir(f"{place}/root")
    make_system_mounts(place, image, proc)


def build_root(spec: SandboxSpec, image: HostImage, blank: str) -> None:
    """Mount the rest and make it the root of this process; *blank* may become its writable layer.

    The old root is still there, for `kernel.detach_old_root`.
    """
    place, root, trees = image.mount_point, f"{image.mount_point}/root", trees_of(spec, image)
    take_layer(spec, trees, blank)
    if spec.layers:  # they are named relative to where we are: all names must fit into one page
        os.chdir(os.path.dirname(spec.layers[0]))
    for tree in trees:
        _mount_overlay(spec, tree, f"{root}/{tree.target}")
    if spec.limits.memory:
        limit_files_in_memory(place, spec.limits.memory)
    move_system_mounts(place, root)
    if image.python is not None and spec.base == "host":
        _bind_python(image.python, root + PYTHON)
    shared = take_mounts(spec.mounts)
    kernel.pivot_root(root)
    attach_mounts(shared)


def trees_of(spec: SandboxSpec, image: HostImage) -> list[Tree]:
    """Return the overlays of a sandbox without its own layers: the root first, then what lies in it."""
    return [Tree("", [image.empty])] if spec.base == "none" else host_trees(image)


def host_trees(image: HostImage) -> list[Tree]:
    """Return the overlays of a sandbox that sees the programs of this machine."""
    return [Tree("", [image.root]), *image.trees]


def take_layer(spec: SandboxSpec, trees: list[Tree], blank: str) -> None:
    """Let a new sandbox over the host image have the *blank* layer, and any other one what it lacks of its own."""
    if spec.base == "host" and not os.path.lexists(spec.upper):
        with contextlib.suppress(FileNotFoundError):  # there is no directory for it yet
            os.rename(blank, spec.upper)
            return
    make_layer(spec.upper, trees)


def make_layer(upper: str, trees: list[Tree]) -> None:
    """Make the directories of a sandbox's writable layer; those that are there are kept."""
    os.makedirs(f"{upper}/{WORK}", mode=0o755, exist_ok=True)
    for tree in trees:
        files, work = layer_directories(tree.target)
        for part in (os.path.dirname(files), files, work):
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{upper}/{part}", mode=0o755)


def layer_directories(target: str) -> tuple[str, str]:
    """Return where a layer keeps the files of the tree mounted at *target*, and where the kernel works on them."""
    name = target.replace("/", "_") or "root"
    return f"{name}/files", f"{WORK}/{name}"


def _mount_overlay(spec: SandboxSpec, tree: Tree, target: str) -> None:
    files, work = layer_directories(tree.target)
    layers = [found for layer in reversed(spec.layers) if os.path.isdir(found := f"{layer}/{files}")]
    below = f"{os.getcwd()}/"
    lower = ":".join(_escape(layer.removeprefix(below)) for layer in [*layers, *tree.layers])
    upper = _escape(spec.upper)
    options = f"lowerdir={lower},upperdir={upper}/{files},workdir={upper}/{work},userxattr"
    if len(os.fsencode(options)) > OPTIONS_LIMIT:  # the kernel would cut them off and mount what is left
        raise OSError(errno.E2BIG, f"an image of {len(layers)} layers has too many to be mounted")
    kernel.mount("overlay", target, "overlay", kernel.MS_NODEV | kernel.MS_NOSUID, options)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _bind_python(source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    kernel.bind(source, target, read_only=True)


def write_identity(spec: SandboxSpec, image: HostImage) -> None:
    """Write the files that name this sandbox and its network, inside the new root."""
    os.makedirs("/etc", exist_ok=True)
    _write_if_changed("/etc/hostname", spec.hostname + "\n")
    _write_if_changed("/etc/hosts", hosts_file(spec.hostname, spec.neighbours))
    _write_if_changed("/etc/resolv.conf", _resolv_conf(spec, image))


def _resolv_conf(spec: SandboxSpec, image: HostImage) -> str:
    if spec.network == "host":
        return image.resolv_conf
    return f"nameserver {RESOLVER_ADDRESS}\n" if spec.network == "proxy" else ""


def write_trust(spec: SandboxSpec) -> None:
    """Write the certificates that the sandbox's image trusts and the one of its platform into one file."""
    if spec.trust:
        bundles = [Path(path) for path in TRUST_BUNDLES]
        own = next((path.read_text("ascii", "replace") for path in bundles if path.is_file()), "")
        os.makedirs(os.path.dirname(TRUST_FILE), mode=0o755, exist_ok=True)
        Path(TRUST_FILE).write_text(f"{own}\n{spec.trust}", encoding="ascii", errors="replace")


def _write_if_changed(path: str, text: str) -> None:
    """Leave a file alone that is right already: writing would copy it into the layer at every start.

    The sandbox may have put anything in its place, such as a pipe that would hold whoever opens it.
    """
    content, kind = text.encode(), _kind(path)
    if stat.S_ISREG(kind):
        with open(path, "rb") as file:
            if file.read() == content:
                return
    if stat.S_ISDIR(kind):
        shutil.rmtree(path)
    elif kind:
        os.unlink(path)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    os.write(descriptor, content)
    os.close(descriptor)


def _kind(path: str) -> int:
    """Return the mode of what is there, links not followed, or 0."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
