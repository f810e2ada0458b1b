"""What a sandbox itself can do: run with its own Python, inside, by programs that measure the way there.

Prints a line of JSON: seconds to start the shell and see its output; for each MiB through a pipe and a terminal; and for
a byte to a terminal and back.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
import termios
import time

MIB = 1 << 20
SHELL = shutil.which("bash") or "/bin/sh"


def spawn(*command: str, stdin: int = 0, output: int) -> int:
    """Start a program whose output goes to *output*, and return its pid."""
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)


def shell() -> float:
    """Return what it takes to start the shell with a script and to read what it prints."""
    script = os.memfd_create("script")
    os.write(script, b"echo hello")
    os.lseek(script, 0, os.SEEK_SET)
    ours, theirs = os.pipe()
    begun = time.perf_counter()
    pid = spawn(SHELL, stdin=script, output=theirs)
    os.close(theirs)
    read_all(ours)
    os.waitpid(pid, 0)
    taken = time.perf_counter() - begun
    os.close(ours)
    os.close(script)
    return taken


def through(ours: int, theirs: int, file: str) -> float:
    """Return what it takes to read what `cat` writes, for each MiB."""
    begun = time.perf_counter()
    pid = spawn("cat", file, output=theirs)
    os.close(theirs)
    read_all(ours)
    taken = time.perf_counter() - begun
    os.waitpid(pid, 0)
    os.close(ours)
    return taken / (os.stat(file).st_size / MIB)


def read_all(descriptor: int) -> None:
    """Read until the last writer has closed its end, which on a terminal is an error."""
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        pass


def raw_terminal() -> tuple[int, int]:
    """Return both ends of a terminal that gives every byte at once, and back."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST
    settings[3] &= ~termios.ICANON
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    return ours, theirs


def echo(trips: int) -> float:
    """Return what it takes to write a byte to a terminal and to read it again."""
    ours, theirs = raw_terminal()
    begun = time.perf_counter()
    for _ in range(trips):
        os.write(ours, b"x")
        os.read(ours, 1)
    taken = time.perf_counter() - begun
    os.close(ours)
    os.close(theirs)
    return taken / trips


file = sys.argv[1]
starts = sorted(shell() for _ in range(21))
print(
    json.dumps(
        {
            "shell": starts[len(starts) // 2],
            "pipe": through(*os.pipe(), file),
            "terminal": through(*raw_terminal(), file),
            "echo": echo(1000),
        }
    )
)
