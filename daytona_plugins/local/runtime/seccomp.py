"""The system calls a sandbox may not make, as a BPF program.

A deny list: programs in a sandbox are ordinary programs and expect an ordinary kernel. Denied is what changes the
machine rather than the sandbox, what opens further namespaces (a new user namespace would give back the capabilities
that were dropped), and young interfaces with a history of holes. Denied calls fail with EPERM, and clone3 with ENOSYS,
because its flags lie in memory where a filter cannot look and C libraries then fall back to clone.
"""

from __future__ import annotations

import errno
import functools
import struct
from typing import Final

from daytona_plugins.local.runtime import kernel

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000
_NAMESPACES: Final = 0x7E020000  # every CLONE_NEW* flag but CLONE_NEWTIME
_NEW_TIME: Final = 0x80  # only unshare knows it: in clone these bits are the signal at exit

# name: (x86_64, aarch64); None where the architecture lacks it.
DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "kcmp": (312, 272),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "iopl": (172, None),
    "ioperm": (173, None),
}
OWNERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
}
"""The calls that change to whom a file belongs."""
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435
_UNSHARE: Final = {"x86_64": 272, "aarch64": 97}
_SOCKET: Final = {"x86_64": 41, "aarch64": 198}
_IOCTL: Final = {"x86_64": 16, "aarch64": 29}
_AF_VSOCK: Final = 40  # reaches the hypervisor of a virtual machine past every network namespace
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERROR: Final = 0x00050000

# struct seccomp_data: nr, arch, instruction pointer, six arguments (low half first on both architectures).
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16


@functools.cache
def build_filter() -> bytes:
    """Return the filter for this machine's architecture."""
    machine = kernel.machine
    column = list(_ARCHITECTURES).index(machine)
    program = _refuse_other_architectures(_ARCHITECTURES[machine])
    for numbers in DENIED.values():
        number = numbers[column]
        program += b"" if number is None else _deny(number, errno.EPERM)
    program += _deny(_CLONE3, errno.ENOSYS)
    program += _deny_argument(_CLONE[machine], 0, _JUMP_ANY_BIT, _NAMESPACES)
    program += _deny_argument(_UNSHARE[machine], 0, _JUMP_ANY_BIT, _NAMESPACES | _NEW_TIME)
    program += _deny_argument(_SOCKET[machine], 0, _JUMP_EQUAL, _AF_VSOCK)
    for request in (_TIOCSTI, _TIOCLINUX):
        program += _deny_argument(_IOCTL[machine], 1, _JUMP_EQUAL, request)
    return program + _instruction(_RETURN, _ALLOW)


@functools.cache
def build_owners_filter() -> bytes:
    """Return a filter under which changes of owners succeed and change nothing.

    Where there is one id every change to another one fails, and package managers give up.
    """
    column = list(_ARCHITECTURES).index(kernel.machine)
    program = _refuse_other_architectures(_ARCHITECTURES[kernel.machine])
    for numbers in OWNERS.values():
        number = numbers[column]
        program += b"" if number is None else _deny(number, 0)
    return program + _instruction(_RETURN, _ALLOW)


def _refuse_other_architectures(architecture: int) -> bytes:
    """32-bit and x32 calls have other numbers, so the list would not hold for them."""
    return (
        _instruction(_LOAD, _ARCHITECTURE)
        + _instruction(_JUMP_EQUAL, architecture, if_true=1)
        + _instruction(_RETURN, _ERROR | errno.ENOSYS)
        + _instruction(_LOAD, _NUMBER)
        + _instruction(_JUMP_AT_LEAST, _X32_BIT, if_false=1)
        + _instruction(_RETURN, _ERROR | errno.ENOSYS)
    )


def _deny(number: int, error: int) -> bytes:
    return _instruction(_JUMP_EQUAL, number, if_false=1) + _instruction(_RETURN, _ERROR | error)


def _deny_argument(number: int, argument: int, test: int, value: int) -> bytes:
    """Deny a call by one argument; the call's number is loaded again afterwards for the next rule."""
    return (
        _instruction(_JUMP_EQUAL, number, if_false=4)
        + _instruction(_LOAD, _ARGUMENTS + 8 * argument)
        + _instruction(test, value, if_false=1)
        + _instruction(_RETURN, _ERROR | errno.EPERM)
        + _instruction(_LOAD, _NUMBER)
    )


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
