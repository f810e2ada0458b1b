"""The filter of system calls, run by a small machine for BPF: every call and every flag, on both architectures."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.runtime import kernel, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = "allowed"
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {  # of <asm/unistd.h>
    "x86_64": {"read": 0, "clone": 56, "execve": 59, "unshare": 272, "socket": 41, "ioctl": 16, "chown": 92},
    "aarch64": {"read": 63, "clone": 220, "execve": 221, "unshare": 97, "socket": 198, "ioctl": 29},
}
CLONE3 = 435
FLAGS = {  # of <linux/sched.h>
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
NEW_TIME = 0x80
SIGCHLD, CLONE_VM, CLONE_THREAD = 17, 0x100, 0x10000
AF_UNIX, AF_INET, AF_VSOCK = 1, 2, 40
TIOCSTI, TIOCLINUX, TIOCGWINSZ = 0x5412, 0x541C, 0x5413


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The architecture that filters are made for."""
    monkeypatch.setattr(kernel, "machine", request.param)
    for build in (seccomp.build_filter, seccomp.build_owners_filter):
        build.cache_clear()
    yield request.param
    for build in (seccomp.build_filter, seccomp.build_owners_filter):
        build.cache_clear()


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int | str:
    """Return the error that a call fails with, or that it is allowed."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    place, loaded = 0, 0
    while True:
        code, if_true, if_false, value = instructions[place]
        place += 1
        match code:
            case 0x20:  # load a word
                loaded = struct.unpack_from("=I", data, value)[0]
            case 0x15:
                place += if_true if loaded == value else if_false
            case 0x35:
                place += if_true if loaded >= value else if_false
            case 0x45:
                place += if_true if loaded & value else if_false
            case 0x06:
                return ALLOWED if value == 0x7FFF0000 else value & 0xFFFF
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


def ask(machine: str, number: int | str, *arguments: int) -> int | str:
    """Return what becomes of a call in a sandbox."""
    number = NUMBERS[machine][number] if isinstance(number, str) else number
    return verdict(seccomp.build_filter(), ARCHITECTURES[machine], number, *arguments)


def test_ordinary_calls_are_allowed(machine: str) -> None:
    denied = {numbers[list(ARCHITECTURES).index(machine)] for numbers in seccomp.DENIED.values()} | {CLONE3}
    assert {ask(machine, number) for number in range(470) if number not in denied} == {ALLOWED}


@pytest.mark.parametrize("name", seccomp.DENIED)
def test_what_changes_the_machine_is_denied(machine: str, name: str) -> None:
    number = seccomp.DENIED[name][list(ARCHITECTURES).index(machine)]
    if number is not None:
        assert ask(machine, number) == errno.EPERM


@pytest.mark.parametrize("column", [0, 1], ids=ARCHITECTURES)
def test_numbers_are_those_of_the_kernel(column: int) -> None:
    header = Path("/usr/include", ("x86_64-linux-gnu/asm/unistd_64.h", "asm-generic/unistd.h")[column])
    if not header.exists():
        pytest.skip(f"{header} of the package linux-libc-dev is not installed")
    defined = re.findall(r"^#define __NR_(\w+) (\d+)$", header.read_text(), re.MULTILINE)
    real = {name: int(number) for name, number in defined}
    ours = {name: numbers[column] for name, numbers in (seccomp.DENIED | seccomp.OWNERS).items()}
    assert ours.keys() & real.keys(), "the header was not understood"
    wrong = {name: real[name] for name, number in ours.items() if name in real and real[name] != number}
    assert wrong == {}


@pytest.mark.parametrize("call", ["clone", "unshare"])
@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_no_namespace_can_be_made(machine: str, call: str, flag: int) -> None:
    assert ask(machine, call, flag) == errno.EPERM
    assert ask(machine, call, flag | CLONE_VM | SIGCHLD) == errno.EPERM


def test_time_namespaces_are_flags_of_unshare_alone(machine: str) -> None:
    assert ask(machine, "unshare", NEW_TIME) == errno.EPERM
    assert ask(machine, "clone", NEW_TIME) == ALLOWED  # there it is part of a signal


def test_processes_and_threads_can_be_made(machine: str) -> None:
    assert ask(machine, "clone", SIGCHLD) == ALLOWED
    assert ask(machine, "clone", CLONE_VM | CLONE_THREAD) == ALLOWED
    assert ask(machine, CLONE3) == errno.ENOSYS  # and libraries then take clone


def test_only_the_first_argument_holds_the_flags(machine: str) -> None:
    assert ask(machine, "clone", SIGCHLD, FLAGS["user"]) == ALLOWED
    assert ask(machine, "ioctl", TIOCSTI, TIOCGWINSZ) == ALLOWED


@pytest.mark.parametrize(
    ("family", "expected"), [(AF_UNIX, ALLOWED), (AF_INET, ALLOWED), (AF_VSOCK, errno.EPERM)]
)
def test_the_hypervisor_cannot_be_called(machine: str, family: int, expected: int | str) -> None:
    assert ask(machine, "socket", family) == expected


@pytest.mark.parametrize("request_", [TIOCSTI, TIOCLINUX, 1 << 32 | TIOCSTI])
def test_nothing_can_be_typed_into_a_terminal(machine: str, request_: int) -> None:
    assert ask(machine, "ioctl", 0, request_) == errno.EPERM
    assert ask(machine, "ioctl", 0, TIOCGWINSZ) == ALLOWED


def test_calls_by_the_numbers_of_another_architecture_are_unknown(machine: str) -> None:
    other = next(value for name, value in ARCHITECTURES.items() if name != machine)
    assert verdict(seccomp.build_filter(), other, NUMBERS[machine]["read"]) == errno.ENOSYS
    assert ask(machine, 0x40000000 | NUMBERS[machine]["read"]) == errno.ENOSYS  # x32


def test_changes_of_owners_can_be_made_to_succeed_without_effect(machine: str) -> None:
    program, architecture = seccomp.build_owners_filter(), ARCHITECTURES[machine]
    owners = {
        number for pair in seccomp.OWNERS.values() if (number := pair[list(ARCHITECTURES).index(machine)])
    }
    told = {number: verdict(program, architecture, number) for number in range(470)}
    assert {number for number, answer in told.items() if answer == 0} == owners
    assert {answer for number, answer in told.items() if number not in owners} == {ALLOWED}
