"""The system calls Python's `os` lacks, through ctypes; each raises OSError with the name of what it tried."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 0x2

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_TID_ADDRESS: Final = 40
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

# Numbers above 423 are the same on every architecture.
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_OPEN_TREE: Final = 428
_MOVE_MOUNT: Final = 429
_MOUNT_SETATTR: Final = 442
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446

_CLONE_CHILD_CLEARTID: Final = 0x00200000
_CLONE_CHILD_SETTID: Final = 0x01000000
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 0x1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
_MOUNT_ATTR_RDONLY: Final = 0x1
_MOUNT_ATTR_NOSUID: Final = 0x2
_MOUNT_ATTR_NODEV: Final = 0x4
_MOUNT_ATTR_IDMAP: Final = 0x00100000
_CAPABILITY_VERSION_3: Final = 0x20080522
_SECCOMP_SET_MODE_FILTER: Final = 1
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1

machine: Final = platform.machine()
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


# Functions of the interpreter, and a way to the kernel that keeps the interpreter's lock.
_python: Final = ctypes.pythonapi
_locked_syscall: Final = ctypes.PyDLL(None, use_errno=True).syscall
_locked_syscall.restype = ctypes.c_long


def supported() -> bool:
    """Return whether this architecture's system call numbers are known here."""
    return machine in _PIVOT_ROOT


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *wide), what)


def unshare(flags: int) -> None:
    """Leave the namespaces named by *flags* for new ones."""
    _check(_libc.unshare(flags), "unshare")


def fork_into(namespaces: int) -> int:
    """Fork like `os.fork`, with the child as the first process of new *namespaces*.

    To leave a process id namespace by `unshare` takes a second fork. The calling process must have one thread.
    """
    # Where the C library keeps the id of this thread; the child has another id.
    place = ctypes.c_void_p()
    keeps_id = _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(place), 0, 0, 0) == 0 and place.value
    flags = namespaces | signal.SIGCHLD | (_CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID if keeps_id else 0)
    nothing = ctypes.c_long(0)
    # The last two arguments have changed places on one of the architectures; what is not asked for is not looked at.
    arguments = [ctypes.c_long(flags), nothing, nothing, place, place]
    _python.PyOS_BeforeFork()
    child = _locked_syscall(ctypes.c_long(_CLONE[machine]), *arguments)
    if child == 0:
        _python.PyOS_AfterFork_Child()
    else:
        _python.PyOS_AfterFork_Parent()
    return _check(child, "clone into new namespaces")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, as mount(2) does."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, os.fsencode(options) or None
    )
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Show *source* and what is mounted below it at *target*."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        make_read_only(target)


def move_mount(source: str, target: str) -> None:
    """Take a mount, with what is mounted below it, from *source* to *target*."""
    mount(source, target, flags=MS_MOVE)


def make_read_only(target: str) -> None:
    """Make a mount and those below it read-only, leaving their other attributes alone."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    path = ctypes.create_string_buffer(os.fsencode(target))
    what = f"make {target} read-only"
    _syscall(what, _MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, attributes, len(attributes))


def clone_mount(directory: int) -> int:
    """Return a descriptor of a mount of its own that shows an open directory and is not attached to anything yet."""
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | _AT_RECURSIVE | os.O_CLOEXEC
    clone = _syscall("open_tree", _OPEN_TREE, directory, b"", flags)
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0)
    _syscall(
        "restrict a mount",
        _MOUNT_SETATTR,
        clone,
        b"",
        _AT_EMPTY_PATH | _AT_RECURSIVE,
        attributes,
        len(attributes),
    )
    return clone


def clone_with_ids(path: int, user_namespace: int) -> int:
    """Return a descriptor of a mount of what *path* shows, with owners as the map of a user namespace gives them."""
    clone = _syscall("open_tree", _OPEN_TREE, path, b"", _OPEN_TREE_CLONE | _AT_EMPTY_PATH | os.O_CLOEXEC)
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    try:
        _syscall("map ids", _MOUNT_SETATTR, clone, b"", _AT_EMPTY_PATH, attributes, len(attributes))
    except OSError:
        os.close(clone)
        raise
    return clone


def attach_mount(clone: int, target: str) -> None:
    """Mount at *target* what `clone_mount` returned."""
    what, path = f"move_mount to {target}", os.fsencode(target)
    _syscall(what, _MOVE_MOUNT, clone, b"", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH)


def pivot_root(new_root: str) -> None:
    """Make *new_root* the root; the old one stays mounted on top of it, where nobody looks, for `detach_old_root`."""
    os.chdir(new_root)
    _syscall("pivot_root", _PIVOT_ROOT[machine], b".", b".")
    os.chdir("/")


def detach_old_root() -> None:
    """Drop the root from before `pivot_root`, and every mount of it."""
    _check(_libc.umount2(b"/", MNT_DETACH), "umount the old root")


def prctl(option: int, value: int = 0) -> None:
    """Change an attribute of the calling process."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def set_capabilities(mask: int) -> None:
    """Reduce the effective and permitted capabilities to *mask*, and let none be inherited."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _syscall("capset", _CAPSET[machine], header, struct.pack("=6I", low, low, 0, high, high, 0))


def set_seccomp_filter(program: bytes) -> None:
    """Install a BPF program of 8-byte instructions for this process and all that it starts."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    _syscall("seccomp", _SECCOMP[machine], _SECCOMP_SET_MODE_FILTER, 0, header)


def restrict_abstract_sockets() -> None:
    """Refuse connections to abstract Unix sockets made by others than this process and its descendants."""
    scope_abstract_unix_socket = 1
    attributes = struct.pack("=QQQ", 0, 0, scope_abstract_unix_socket)
    ruleset = _syscall("landlock", _LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        _syscall("landlock", _LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def bring_loopback_up() -> None:
    """Bring `lo` up in the network namespace of this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
