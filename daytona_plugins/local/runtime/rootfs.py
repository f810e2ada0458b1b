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
from daytona_plugins.local.runtime.lending import lend
from daytona_plugins.local.runtime.mounts import attach_mounts, take_mounts
from daytona_plugins.local.runtime.spec import TRUST_FILE

if TYPE_CHECKING:
    from daytona_plugins.local.runtime.procplan import ProcPlan
    from daytona_plugins.local.runtime.spec import SandboxSpec

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
MOUNTED_OVER: Final = ("proc", "dev", "run")
TRUST_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
)  # fmt: skip  # where distributions keep what programs trust
OPTIONS_LIMIT: Final = 4095


def build_root(spec: SandboxSpec, image: HostImage, proc: ProcPlan) -> None:
    """Mount everything and make it the root of this process."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    root, trees = image.mount_point, trees_of(spec, image)
    make_layer(spec.upper, trees)
    for tree in trees:
        _mount_overlay(spec, tree, f"{root}/{tree.target}")
    for name in MOUNTED_OVER:
        _make_mount_point(f"{root}/{name}")
    _mount_proc(f"{root}/proc", proc)
    _mount_dev(f"{root}/dev", spec)
    _mount_tmpfs(f"{root}/run", "mode=755", spec)
    lend(image.lent, root)
    if image.python is not None and spec.base == "host":
        _bind_python(image.python, root + PYTHON)
    shared = take_mounts(spec.mounts)
    kernel.pivot_root(root)
    attach_mounts(shared)


def trees_of(spec: SandboxSpec, image: HostImage) -> list[Tree]:
    """Return the overlays of a sandbox without its own layers: the root first, then what lies in it."""
    if spec.base == "none":
        return [Tree("", [image.empty])]
    return [Tree("", [image.root]), *image.trees]


def make_layer(upper: str, trees: list[Tree]) -> None:
    """Make the directories of a sandbox's writable layer; those that are there are kept."""
    os.makedirs(upper, mode=0o755, exist_ok=True)
    for tree in trees:
        files, work = layer_directories(tree.target)
        for part in (os.path.dirname(files), files, work):
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{upper}/{part}", mode=0o755)


def layer_directories(target: str) -> tuple[str, str]:
    """Return where a layer keeps the files of the tree mounted at *target*, and where the kernel works on them."""
    name = target.replace("/", "_") or "root"
    return f"{name}/files", f"{name}/work"


def _mount_overlay(spec: SandboxSpec, tree: Tree, target: str) -> None:
    """Mount with names relative to where the layers lie: the options must fit into one page."""
    os.chdir(os.path.dirname(spec.layers[0]) if spec.layers else spec.upper)
    files, work = layer_directories(tree.target)
    layers = [found for layer in reversed(spec.layers) if os.path.isdir(found := f"{layer}/{files}")]
    lower = ":".join(_escape(_shortest(layer)) for layer in [*layers, *tree.layers])
    own = [_escape(_shortest(f"{spec.upper}/{part}")) for part in (files, work)]
    options = f"lowerdir={lower},upperdir={own[0]},workdir={own[1]},userxattr"
    if len(os.fsencode(options)) > OPTIONS_LIMIT:  # the kernel would cut them off and mount what is left
        raise OSError(errno.E2BIG, f"an image of {len(layers)} layers has too many to be mounted")
    kernel.mount("overlay", target, "overlay", kernel.MS_NODEV | kernel.MS_NOSUID, options)


def _shortest(path: str) -> str:
    return min(path, os.path.relpath(path), key=len)


def _make_mount_point(path: str) -> None:
    """An image from elsewhere may lack the directory, or have a link in its place that leads out of the sandbox."""
    if os.path.islink(path):
        os.unlink(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode=0o755)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount_proc(target: str, plan: ProcPlan) -> None:
    kernel.mount("proc", target, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for name in plan.masked:
        kernel.bind("/dev/null", f"{target}/{name}", read_only=True)
    for name in plan.read_only:
        # An entry may be missing here though the host has it, such as those of a network namespace.
        with contextlib.suppress(FileNotFoundError):
            kernel.bind(f"{target}/{name}", f"{target}/{name}", read_only=True)


def _mount_tmpfs(target: str, options: str, spec: SandboxSpec) -> None:
    """Files in memory count as memory: where only processes are looked at, they would be a way around the limit."""
    size = f",size={spec.limits.memory // 4}" if spec.limits.memory else ""
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options + size)


def _mount_dev(target: str, spec: SandboxSpec) -> None:
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
    _mount_tmpfs(f"{target}/shm", "mode=1777", spec)


def _bind_python(source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    kernel.bind(source, target, read_only=True)


def write_identity(spec: SandboxSpec, image: HostImage) -> None:
    """Write the files that name this sandbox and its network, inside the new root."""
    os.makedirs("/etc", exist_ok=True)
    _write_if_changed("/etc/hostname", spec.hostname + "\n")
    _write_if_changed("/etc/hosts", f"127.0.0.1\tlocalhost {spec.hostname}\n::1\tlocalhost ip6-localhost\n")
    _write_if_changed("/etc/resolv.conf", image.resolv_conf if spec.network == "host" else "")


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
    with open(path, "xb") as file:
        file.write(content)


def _kind(path: str) -> int:
    """Return the mode of what is there, links not followed, or 0."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
