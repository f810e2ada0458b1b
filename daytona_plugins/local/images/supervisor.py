"""Runs a program, and ends it with all that it started when whoever wanted it has ended: `python supervisor.py PROGRAM ARGUMENT…`.

Standard input is a lifeline: nobody writes to the other end, and the kernel closes it for a process that was killed. Whatever
loses its parent becomes a child of this process, in whichever session or namespace it is, so nothing is overlooked.

This is a program of its own, which needs nothing but the standard library: a fork of the platform could not be relied on, for
the platform has threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
LIFELINE = 0


def main(command: list[str]) -> int:
    """Return the exit status of *command*, as shells count."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = _start(command)
    descriptor = os.pidfd_open(program)
    ended, _, _ = select.select([LIFELINE, descriptor], [], [])
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]) if descriptor in ended else -signal.SIGKILL
    _end_everything()
    return status if status >= 0 else 128 - status


def _start(command: list[str]) -> int:
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawn(command[0], command, os.environ, file_actions=[no_input])


def _end_everything() -> None:
    with contextlib.suppress(ChildProcessError):  # nobody is left
        while True:
            for child in _children():
                _kill(child)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    with open("/proc/thread-self/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def _kill(pid: int) -> None:
    # A program with rights that we have not, like `newuidmap`, ends by itself.
    with contextlib.suppress(PermissionError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
