"""Run inside a sandbox: tries to get out in every way in the table, and prints what came of each as JSON.

An attempt returns what it got hold of, which is a failure of the sandbox; being refused is an OSError. It uses nothing but
the standard library, because it runs with the Python of the sandbox. ESCAPE_HOST holds facts about the host that an
attacker would not know, so that hiding is not mistaken for holding.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import platform
import signal
import socket
import struct
import termios
from pathlib import Path

HOST = json.loads(os.environ.get("ESCAPE_HOST", "{}"))
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
CLONE_FLAGS = {
    "time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
    "pid": 0x20000000, "net": 0x40000000,
}  # fmt: skip
COLUMN = ["x86_64", "aarch64"].index(platform.machine())
# Arguments that could not do harm even if the call were let through.
CALLS: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "mount": ((165, 40), (0, 0, 0, 0, 0)),
    "umount2": ((166, 39), (0, 0)),
    "pivot_root": ((155, 41), (0, 0)),
    "setns": ((308, 268), (-1, 0)),
    "open_tree": ((428, 428), (-1, 0, 0)),
    "move_mount": ((429, 429), (-1, 0, -1, 0, 0)),
    "fsopen": ((430, 430), (0, 0)),
    "mount_setattr": ((442, 442), (-1, 0, 0, 0, 0)),
    "add_key": ((248, 217), (0, 0, 0, 0, 0)),
    "request_key": ((249, 218), (0, 0, 0, 0)),
    "keyctl": ((250, 219), (0, -3, 1)),
    "bpf": ((321, 280), (0, 0, 0)),
    "perf_event_open": ((298, 241), (0, 0, -1, -1, 0)),
    "userfaultfd": ((323, 282), (0,)),
    "io_uring_setup": ((425, 425), (1, 0)),
    "open_by_handle_at": ((304, 265), (-1, 0, 0)),
    "init_module": ((175, 105), (0, 0, 0)),
    "finit_module": ((313, 273), (-1, 0, 0)),
    "kexec_load": ((246, 104), (0, 0, 0, 0)),
    "swapon": ((167, 224), (0, 0)),
    "reboot": ((169, 142), (0, 0, 0, 0)),
    "acct": ((163, 89), (1,)),
    "settimeofday": ((164, 170), (0, 0)),
    "clock_settime": ((227, 112), (0, 0)),
    "syslog": ((103, 116), (10, 0, 0)),
    "quotactl": ((179, 60), (0, 0, 0, 0)),
    "kcmp": ((312, 272), (1, 1, 0, 0, 0)),
    "fanotify_init": ((300, 262), (0, 0)),
}


def check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(name: str) -> object:
    numbers, arguments = CALLS[name]
    try:
        return check(LIBC.syscall(ctypes.c_long(numbers[COLUMN]), *map(ctypes.c_long, arguments)), name)
    except OSError as error:
        # Anything else means that the kernel looked at the arguments: it would have done it with better ones.
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        return f"let through: {error}"


def unshare(flag: int) -> object:
    return check(LIBC.unshare(flag), "unshare")


def clone(flag: int) -> object:
    number = (56, 220)[COLUMN]
    pid = check(
        LIBC.syscall(ctypes.c_long(number), ctypes.c_long(flag | signal.SIGCHLD), 0, 0, 0, 0), "clone"
    )
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "cloned"


def clone3() -> object:
    try:
        return check(LIBC.syscall(ctypes.c_long(435), ctypes.c_long(0), ctypes.c_long(0)), "clone3")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise
        return f"let through: {error}"


def memory_of_process_1() -> object:
    with open("/proc/1/mem", "rb") as memory:
        return memory.read(1)


def attach_to_process_1() -> object:
    check(LIBC.ptrace(ctypes.c_long(16), ctypes.c_long(1), 0, 0), "ptrace")
    check(LIBC.ptrace(ctypes.c_long(17), ctypes.c_long(1), 0, 0), "ptrace")
    return "attached"


def read_memory_of_process_1() -> object:
    area = ctypes.create_string_buffer(8)
    vector = struct.pack("=QQ", ctypes.addressof(area), 8)
    number = (310, 270)[COLUMN]
    return check(
        LIBC.syscall(
            ctypes.c_long(number), ctypes.c_long(1), vector, ctypes.c_long(1), vector, ctypes.c_long(1), 0
        ),
        "process_vm_readv",
    )


def take_descriptor_of_process_1() -> object:
    pidfd = os.pidfd_open(1)
    return check(LIBC.syscall(ctypes.c_long(438), ctypes.c_long(pidfd), ctypes.c_long(3), 0), "pidfd_getfd")


def link_of_process_1(name: str) -> object:
    return os.readlink(f"/proc/1/{name}")


def files_of_process_1() -> object:
    return [os.open(f"/proc/1/fd/{name}", os.O_RDONLY) for name in os.listdir("/proc/1/fd")]


def environment_of_process_1() -> object:
    return Path("/proc/1/environ").read_bytes()


def kill_process_1() -> object:
    """The signal is discarded without an error, so what counts is that we can still say so."""
    os.kill(1, signal.SIGKILL)
    os.kill(1, signal.SIGSTOP)
    os.kill(1, 0)
    raise OSError(0, "it lives on")


def leave_by_chroot() -> object:
    """The classic: keep a directory open, change the root below it, walk up."""
    out = os.open("/", os.O_RDONLY)
    if pid := os.fork():
        return _child_result(pid)
    os.makedirs("/tmp/jail", exist_ok=True)
    os.chroot("/tmp/jail")
    os.fchdir(out)
    for _ in range(64):
        os.chdir("..")
    os._exit(0 if os.path.exists(HOST.get("file", "/nowhere").lstrip("/")) else 1)


def _child_result(pid: int) -> object:
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        return "the host's files"
    raise OSError(0, "still inside")


def host_file(path: str) -> object:
    found = [
        root + path
        for root in ("", "/proc/self/root", "/proc/1/root", "/proc/1/cwd/../../..")
        if _exists(root + path)
    ]
    if not found:
        raise FileNotFoundError(path)
    return found


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except PermissionError:
        return False
    except OSError:
        return False
    return True


def kernel_knobs() -> object:
    """Open for writing everything in /proc and /sys that is not about a process; nothing is written."""
    opened = []
    for top in ("/proc", "/sys"):
        for directory, names, files in os.walk(top):
            if directory == "/proc":
                names[:] = [
                    name
                    for name in names
                    if not name.isdecimal() and name not in ("self", "thread-self", "net")
                ]
            for name in files:
                opened += _opens(os.path.join(directory, name))
    if not opened:
        raise OSError(0, "none can be opened")
    return opened


def _opens(path: str) -> list[str]:
    if os.path.realpath(path) == "/dev/null" or os.stat(path).st_rdev == os.makedev(1, 3):  # masked
        return []
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, b"")  # older kernels open what has nothing behind it that could write
        finally:
            os.close(descriptor)
    except OSError:
        return []
    return [path]


def secrets_of_the_kernel() -> object:
    """Read what describes the whole machine's memory, keys or log."""
    got = {}
    for name in (
        "kcore",
        "keys",
        "kmsg",
        "kallsyms",
        "timer_list",
        "sched_debug",
        "kpagecount",
        "vmallocinfo",
        "modules",
    ):
        with contextlib.suppress(OSError), open(f"/proc/{name}", "rb") as file:
            got[name] = file.read(64)
    if not any(got.values()):
        raise OSError(0, "nothing is told")
    return {name: str(value) for name, value in got.items() if value}


def devices() -> object:
    got = [name for name in os.listdir("/dev") if name not in KNOWN_DEVICES]
    for number, mode in (
        (os.makedev(1, 1), 0o020600),
        (os.makedev(8, 0), 0o060600),
        (os.makedev(254, 0), 0o060600),
    ):
        with contextlib.suppress(OSError):
            os.mknod("/tmp/device", mode, number)
            got.append(f"mknod {number}")
    if not got:
        raise OSError(0, "none")
    return got


KNOWN_DEVICES = {
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin", "stdout", "stderr", "pts", "shm",
}  # fmt: skip


def other_processes() -> object:
    """All that is seen are process 1, and ourselves with those that started us."""
    family = {1, os.getpid(), os.getppid()}
    others = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if pid not in family]
    strange = [pid for pid in others if _session(pid) != _session(os.getpid())]
    for pid in HOST.get("pids", []):
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            if pid not in family and pid not in others:
                strange.append(pid)
    if not strange:
        raise ProcessLookupError("nobody")
    return strange


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return os.getsid(0)


def gain_capabilities() -> object:
    number = (126, 91)[COLUMN]
    header, wanted = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[0xFFFFFFFF] * 6)
    return check(LIBC.syscall(ctypes.c_long(number), header, wanted), "capset")


def turn_off_the_filter() -> object:
    check(LIBC.prctl(38, 0, 0, 0, 0), "no_new_privs off")
    return "off"


def write_into_the_terminal() -> object:
    _controller, terminal = os.openpty()
    try:
        fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        return f"let through: {error}"
    return "typed"


def reach(family: int, address: object) -> object:
    """A connection may be accepted on the way out and reset by whoever judges it; one that lasts has arrived."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect(address)  # type: ignore[arg-type]
        with contextlib.suppress(TimeoutError):
            sock.recv(1)
    return f"connected to {address}"


def reach_vsock() -> object:
    with socket.socket(40, socket.SOCK_STREAM):
        return "a socket"


def change_the_network() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 0))
    return "lo taken down"


def send_datagram(host: str, port: int) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return sock.sendto(b"x", (host, port))


def send_echo_request(host: str) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        return sock.sendto(struct.pack("!BBHHH", 8, 0, 0xF7FF, 0, 0), (host, 0))


ATTEMPTS = {
    **{f"call {name}": (call, name) for name in CALLS},
    **{f"unshare {name}": (unshare, flag) for name, flag in CLONE_FLAGS.items()},
    **{f"clone {name}": (clone, flag) for name, flag in CLONE_FLAGS.items() if name != "time"},
    "clone3": (clone3,),
    "memory of process 1": (memory_of_process_1,),
    "ptrace process 1": (attach_to_process_1,),
    "process_vm_readv process 1": (read_memory_of_process_1,),
    "descriptors of process 1": (take_descriptor_of_process_1,),
    **{f"/proc/1/{name}": (link_of_process_1, name) for name in ("root", "cwd", "exe")},
    "/proc/1/fd": (files_of_process_1,),
    "/proc/1/environ": (environment_of_process_1,),
    "kill process 1": (kill_process_1,),
    "chroot": (leave_by_chroot,),
    **{f"host {name}": (host_file, HOST[name]) for name in ("file", "database", "key", "endpoint", "sockets") if name in HOST},
    "kernel knobs": (kernel_knobs,),
    "kernel secrets": (secrets_of_the_kernel,),
    "devices": (devices,),
    "other processes": (other_processes,),
    "capabilities": (gain_capabilities,),
    "the filter": (turn_off_the_filter,),
    "TIOCSTI": (write_into_the_terminal,),
    "vsock": (reach_vsock,),
    "abstract socket": (reach, socket.AF_UNIX, "\0" + HOST.get("abstract", "none")),
}  # fmt: skip

# What a sandbox without the host's network may not do either.
NETWORK_ATTEMPTS = {
    "host's loopback": (reach, socket.AF_INET, ("127.0.0.1", HOST.get("port", 1))),
    "metadata": (reach, socket.AF_INET, ("169.254.169.254", 80)),
    "somewhere": (reach, socket.AF_INET, ("192.0.2.1", 80)),
    "somewhere, version 6": (reach, socket.AF_INET6, ("2001:db8::1", 80, 0, 0)),
    "host's own address": (reach, socket.AF_INET, (HOST.get("address", "192.0.2.1"), HOST.get("port", 1))),
    "a name server": (send_datagram, "192.0.2.53", 53),
    "a datagram": (send_datagram, HOST.get("address", "192.0.2.1"), 123),
    "an echo request": (send_echo_request, HOST.get("address", "192.0.2.1")),
    "change the network": (change_the_network,),
}


def outcome(attempt: tuple[object, ...]) -> str:
    function, *arguments = attempt
    try:
        return f"GOT OUT: {function(*arguments)!r}"  # type: ignore[operator]
    except OSError as error:
        return f"refused: {error}"


if __name__ == "__main__":
    attempts = ATTEMPTS | (NETWORK_ATTEMPTS if HOST.get("network") == "none" else {})
    print(json.dumps({name: outcome(attempt) for name, attempt in attempts.items()}))
