"""Can this machine isolate sandboxes, and if not, why not and what helps?

Every step a sandbox needs is tried in a child process, because asking is not enough: hosts with AppArmor allow a user
namespace and then refuse to mount in it. What the steps answered, and a few facts about the machine, go through one
pure function, `judge`, which knows the usual causes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.idmaps import write_id_maps
from daytona_plugins.local.runtime.seccomp import build_filter

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT: Final = 2.0
APPARMOR_SWITCH: Final = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
USERNS_SWITCH: Final = "/proc/sys/kernel/unprivileged_userns_clone"

Step = Literal[
    "user", "maps", "namespaces", "mount", "overlay", "process", "proc", "devpts", "network", "seccomp"
]
STEPS: Final[tuple[Step, ...]] = (
    "user", "maps", "namespaces", "mount", "overlay", "process", "proc", "devpts", "network", "seccomp",
)  # fmt: skip

Kind = Literal[
    "root", "userns", "architecture", "no_userns", "userns_disabled", "userns_limit", "apparmor", "seccomp_blocked", "no_id_map",
    "no_namespaces", "overlay_on_overlay", "no_overlay", "proc_masked", "no_network", "no_seccomp", "stuck",
]  # fmt: skip


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine says about itself."""

    root: bool = False
    supported_machine: bool = True
    seccomp_filtered: bool = False
    """A filter is on this process already, as in a container."""
    apparmor_restricts: bool = False
    userns_switched_off: bool = False
    data: str = "the data directory"
    data_filesystem: str = "ext4"


class Failure(msgspec.Struct, frozen=True):
    """The first step that was refused; errno is None when the child got stuck in it."""

    step: Step
    errno: int | None


class Verdict(msgspec.Struct, frozen=True):
    """Whether sandboxes can be isolated here; `cause` and `remedy` are for the person who reads them."""

    kind: Kind
    full: bool
    cause: str = ""
    remedy: str = ""


_OWN_KERNEL: Final = "Run the program on a machine (or in a virtual machine) of your own, or set DAYTONA_API_KEY to use a hosted platform."
_APPARMOR: Final = (
    "As administrator, run `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or load an AppArmor profile"
    " that grants `userns` to this Python interpreter."
)
_CONTAINER: Final = (
    "Inside a container, start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    " --security-opt systempaths=unconfined` (Docker and Podman)."
)

_REFUSALS: Final[dict[Kind, tuple[str, str]]] = {
    "architecture": (
        "The system calls of this processor architecture are not known here (x86_64 and aarch64 are).",
        _OWN_KERNEL,
    ),
    "no_userns": ("This kernel was built without user namespaces.", _OWN_KERNEL),
    "userns_disabled": (
        "User namespaces are switched off for ordinary users.",
        "As administrator, run `sysctl -w kernel.unprivileged_userns_clone=1`, or run the platform as root.",
    ),
    "userns_limit": (
        "The limit of user namespaces (`user.max_user_namespaces`) is reached, or it is 0, which switches them off.",
        "As administrator, run `sysctl -w user.max_user_namespaces=15000`.",
    ),
    "apparmor": ("AppArmor lets ordinary users make a user namespace but do nothing in it.", _APPARMOR),
    "seccomp_blocked": ("A seccomp filter around this process forbids new namespaces.", _CONTAINER),
    "no_id_map": ("The kernel refused to map user ids into a new user namespace.", _OWN_KERNEL),
    "no_namespaces": ("The kernel refused namespaces other than the user namespace.", _CONTAINER),
    "overlay_on_overlay": (
        "{data} lies on {filesystem}, which cannot hold the writable layer of an overlay.",
        "Set DAYTONA_LOCAL_DIR to a directory on an ordinary file system (ext4, xfs, btrfs, tmpfs), such as a volume.",
    ),
    "no_overlay": (
        "Overlay file systems cannot be mounted in a user namespace here.",
        "Linux 5.11 or newer is needed, and no other file system may be mounted below /usr or /opt.",
    ),
    "proc_masked": (
        "A new /proc cannot be mounted, because parts of this one are covered, as in a container.",
        _CONTAINER,
    ),
    "no_network": ("The kernel refused a network namespace.", _CONTAINER),
    "no_seccomp": ("The kernel refused a seccomp filter.", "A kernel with CONFIG_SECCOMP_FILTER is needed."),
    "stuck": (
        "The attempt to build a sandbox did not end.",
        "Try again; if it stays so, please report it with `dmesg`.",
    ),
}


def judge(failure: Failure | None, facts: Facts) -> Verdict:
    """Return what the answer of the steps means; nothing is tried here."""
    if failure is None:
        return Verdict("root" if facts.root else "userns", full=True)
    kind = _kind_of(failure, facts)
    cause, remedy = _REFUSALS[kind]
    cause = cause.format(data=facts.data, filesystem=facts.data_filesystem)
    number = f" ({failure.step}: {os.strerror(failure.errno)})" if failure.errno else f" ({failure.step})"
    return Verdict(kind, full=False, cause=cause + number, remedy=remedy)


def _kind_of(failure: Failure, facts: Facts) -> Kind:
    if not facts.supported_machine:
        return "architecture"
    if failure.errno is None:
        return "stuck"
    return _BY_STEP[failure.step](failure.errno, facts)


def _user_refused(number: int, facts: Facts) -> Kind:
    if number == errno.EINVAL:
        return "no_userns"
    if number in (errno.ENOSPC, errno.EUSERS):
        return "userns_limit"
    if facts.userns_switched_off:
        return "userns_disabled"
    if facts.seccomp_filtered or number == errno.ENOSYS:
        return "seccomp_blocked"
    return "apparmor" if facts.apparmor_restricts else "userns_disabled"


def _maps_refused(_number: int, facts: Facts) -> Kind:
    return "apparmor" if facts.apparmor_restricts and not facts.root else "no_id_map"


def _inside_refused(_number: int, facts: Facts) -> Kind:
    """A user namespace that holds no power: either AppArmor took it away, or a filter forbids to use it."""
    if facts.apparmor_restricts and not facts.root:
        return "apparmor"
    return "seccomp_blocked" if facts.seccomp_filtered else "no_namespaces"


def _overlay_refused(_number: int, facts: Facts) -> Kind:
    unfit = facts.data_filesystem in (
        "overlay",
        "fuse",
        "nfs",
        "nfs4",
        "cifs",
        "9p",
        "vboxsf",
        "ecryptfs",
        "vfat",
    )
    return "overlay_on_overlay" if unfit or facts.data_filesystem.startswith("fuse.") else "no_overlay"


_BY_STEP: Final[dict[Step, Callable[[int, Facts], Kind]]] = {
    "user": _user_refused,
    "maps": _maps_refused,
    "namespaces": _inside_refused,
    "mount": _inside_refused,
    "overlay": _overlay_refused,
    "process": _inside_refused,
    "proc": lambda _number, _facts: "proc_masked",
    "devpts": _inside_refused,
    "network": lambda _number, _facts: "no_network",
    "seccomp": lambda _number, _facts: "no_seccomp",
}


# Trying it ---------------------------------------------------------------------------------------------------------


def probe(data: Path) -> Verdict:
    """Return the verdict for this machine and this data directory; a good one is remembered until the next boot."""
    remembered = data / "probe.json"
    key = _boot_key(data)
    with contextlib.suppress(OSError, msgspec.DecodeError):
        known = msgspec.json.decode(remembered.read_bytes(), type=tuple[str, Verdict])
        if known[0] == key:
            return known[1]
    verdict = _try(data)
    if verdict.full:
        remembered.write_bytes(msgspec.json.encode((key, verdict)))
    return verdict


def _boot_key(data: Path) -> str:
    boot = _read("/proc/sys/kernel/random/boot_id")
    return f"{boot} {os.getuid()} {os.stat(data).st_dev} {_read(APPARMOR_SWITCH)} {_read(USERNS_SWITCH)}"


def _try(data: Path) -> Verdict:
    facts = gather_facts(data)
    if not facts.supported_machine:
        return judge(Failure("user", None), facts)
    work = Path(tempfile.mkdtemp(dir=data, prefix="probe-"))
    try:
        return judge(_run_steps(work), facts)
    finally:
        for directory in work.rglob("work"):
            directory.chmod(0o700)  # the kernel leaves its own directory there with mode 000
        shutil.rmtree(work)


def gather_facts(data: Path) -> Facts:
    """Look at the machine."""
    status = dict(line.split(":\t", 1) for line in _read("/proc/self/status").splitlines() if ":\t" in line)
    return Facts(
        root=os.getuid() == 0,
        supported_machine=kernel.supported(),
        seccomp_filtered=status.get("Seccomp") == "2",
        apparmor_restricts=_read(APPARMOR_SWITCH) == "1",
        userns_switched_off=_read(USERNS_SWITCH) == "0",
        data=str(data),
        data_filesystem=_filesystem_of(data),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _filesystem_of(path: Path) -> str:
    """Return the type of the file system that holds *path*, by its device number."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _read("/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == number:
            return rest.split()[0]
    return "an unknown file system"


def _run_steps(work: Path) -> Failure | None:
    """Let a child go through the steps; it names each before it tries it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        child = os.fork()
        if child == 0:
            _try_steps(theirs, work)
        theirs.close()
        try:
            return _watch(ours, child)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _watch(channel: socket.socket, child: int) -> Failure | None:
    step: Step = STEPS[0]
    while select.select([channel], [], [], TIMEOUT)[0]:
        message = channel.recv(1024).decode()
        if message in ("done", ""):
            return None if message == "done" else Failure(step, None)
        if message.isdecimal():
            return Failure(step, int(message))
        step = msgspec.convert(message, Step)
        if step == "maps":
            channel.send(_map_ids(child))
    return Failure(step, None)


def _map_ids(child: int) -> bytes:
    try:
        write_id_maps(child)
    except OSError as error:
        return b"%d" % (error.errno or 0)
    return b"0"


def _try_steps(channel: socket.socket, work: Path) -> None:
    """Run as the child: name each step, try it, stop at the first refusal; never return."""
    try:
        for step in STEPS:
            channel.send(step.encode())
            if step == "maps":
                _raise_refusal(int(channel.recv(64)))
            else:
                _ATTEMPTS[step](work)
        channel.send(b"done")
    except OSError as error:
        channel.send(b"%d" % (error.errno or errno.EIO))
    finally:
        os._exit(0)


def _raise_refusal(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


def _try_user(_work: Path) -> None:
    kernel.unshare(kernel.CLONE_NEWUSER)


def _try_namespaces(_work: Path) -> None:
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWCGROUP)


def _try_mount(work: Path) -> None:
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    (work / "tmp").mkdir()
    kernel.mount("tmpfs", str(work / "tmp"), "tmpfs")


def _try_overlay(work: Path) -> None:
    for name in ("files", "work", "merged"):
        (work / name).mkdir()
    os.chdir(work)
    kernel.mount("overlay", "merged", "overlay", 0, "lowerdir=/usr,upperdir=files,workdir=work,userxattr")


def _try_process(_work: Path) -> None:
    """Go on in the first process of a new namespace; the rest of the steps is its own, and we only wait for it."""
    kernel.unshare(kernel.CLONE_NEWPID)
    if child := os.fork():
        os.waitpid(child, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _try_proc(work: Path) -> None:
    kernel.mount("proc", str(work / "tmp"), "proc")


def _try_devpts(work: Path) -> None:
    kernel.mount("devpts", str(work / "tmp"), "devpts", 0, "newinstance,ptmxmode=0666")


def _try_network(_work: Path) -> None:
    kernel.unshare(kernel.CLONE_NEWNET)


def _try_seccomp(_work: Path) -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.set_seccomp_filter(build_filter())


_ATTEMPTS: Final[dict[Step, Callable[[Path], None]]] = {
    "user": _try_user,
    "namespaces": _try_namespaces,
    "mount": _try_mount,
    "overlay": _try_overlay,
    "process": _try_process,
    "proc": _try_proc,
    "devpts": _try_devpts,
    "network": _try_network,
    "seccomp": _try_seccomp,
}
