"""What else makes sandboxes on this machine: `others.py SCALE bwrap|podman`. Says nothing where it is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from meter import COMMAND, Meter

meter = Meter()
BWRAP = (
    "bwrap",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
    "--unshare-all",
)
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")


def milliseconds(*command: str) -> float:
    """Return how long a command takes, in seconds."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def by_bubblewrap() -> None:
    """Run a command in new namespaces, over this machine's own files."""
    meter.note("create", [milliseconds(*BWRAP, "sh", "-c", COMMAND) for _ in range(meter.count(12))])


def by_podman() -> None:
    """Start containers over a directory that holds this machine's shell, and run commands in one of them."""
    with TemporaryDirectory() as root:
        _copy_shell(Path(root))
        podman = ("podman", "--cgroup-manager=cgroupfs", "--runtime=runc")
        run = (*podman, "run", "-d", "--network=none", *LIMITS, "--rootfs", root)
        created = []
        try:
            for number in range(meter.count(4)):
                name = f"bench-{os.getpid()}-{number}"
                begun = time.perf_counter()
                milliseconds(
                    *run[:5], "--name", name, *run[5:], "/bin/sh", "-c", "echo hello; read line < /fifo"
                )
                created.append((name, time.perf_counter() - begun))
            first = created[0][0]
            meter.note("create", [seconds for _, seconds in created])
            meter.note(
                "exec", [milliseconds(*podman, "exec", first, "/bin/sh", "-c", COMMAND) for _ in range(4)]
            )
        finally:
            for name, _ in created:
                subprocess.run([*podman, "rm", "-f", "-t", "0", name], capture_output=True, check=False)


def _copy_shell(root: Path) -> None:
    shell = Path(shutil.which("dash") or "/bin/sh").resolve()
    linked = subprocess.run(["ldd", str(shell)], capture_output=True, text=True, check=True).stdout.split()
    for source in [shell, *(Path(word) for word in linked if word.startswith("/"))]:
        target = root / ("bin/sh" if source == shell else str(source).lstrip("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for name in ("proc", "dev", "sys", "etc", "run", "tmp"):
        (root / name).mkdir()
    os.mkfifo(root / "fifo")


if shutil.which(sys.argv[2]):
    by_bubblewrap() if sys.argv[2] == "bwrap" else by_podman()
meter.report()
