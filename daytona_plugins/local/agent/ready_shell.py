"""A shell that is started before its script is there: starting it takes longer than most scripts run.

One is started when commands come one after the other, and before anybody has asked for the sandbox; it waits for the script
on its standard input. Whoever looks at the script's process sees nothing that a new shell would not show, but for its age.
So the next command gets it only if it would have started the same shell in the same place with the same environment, and
does not ask how long it has been running.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from select import PIPE_BUF
from signal import SIGKILL
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.command import Command, Output, StartError, spawn_shell, start_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.agent.reaper import Reaper

SOON: Final = 10.0
"""Seconds between two commands for which a shell is kept ready, and after which it ends if no command comes."""
UNTOLD_AGE: Final = "SECONDS"
"""The variable by which a script learns how old its shell is."""
EARLY: Final = "BASH_ENV"
"""The variable with a file that a shell runs at its start, which must not be earlier than it was asked for."""

ENDING: Final = 0x4 | 0x400
"""The kernel's flags of a process that has ended or is about to, and of one that has taken a signal which ends it."""


class Shells:
    """Starts the shells of commands; at most one of them is ready at a time."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._ready: _Ready | None = None
        self._used = -SOON

    def start(
        self, shell: str, script: str, *, cwd: str | None, envs: dict[str, str], separate: bool
    ) -> Command:
        """Start *script* in *shell*; see `start_command`.

        Raises:
            StartError: There is no such directory or shell.
        """
        ready = self._ready
        if ready and cwd is None and not separate and _is_simple(script) and ready.fits(shell, envs):
            self._ready = None
            return ready.run(script)
        return start_command(self._reaper, shell, script, cwd=cwd, envs=envs, separate=separate)

    def expect_another(self, shell: str) -> None:
        """Make a shell ready if commands come one after the other."""
        now = asyncio.get_running_loop().time()
        often, self._used = now - self._used < SOON, now
        if often and (self._ready is None or not self._ready.lives()):
            self.make_ready(shell)

    def make_ready(self, shell: str, *, patient: bool = False) -> None:
        """Let a shell wait for the next command: the one that does already, unless a new one would not be like it.

        A *patient* one waits until it is told otherwise, by another call.
        """
        if self._ready is not None and self._ready.fits(shell, {}):
            self._ready.expect(None if patient else SOON)
            return
        self.close()
        if shell.endswith("/bash") and EARLY not in os.environ:
            with suppress(StartError):
                self._ready = _Ready(shell, self._reaper, self.close)
                self._ready.expect(None if patient else SOON)

    def close(self) -> None:
        """Let the shell that is ready end, if there is one."""
        if self._ready is not None:
            self._ready.end()
            self._ready = None


class _Ready:
    """A shell that waits for its script."""

    def __init__(self, shell: str, reaper: Reaper, expire: Callable[[], None]) -> None:
        self._shell = shell
        self._env = dict(os.environ)
        self._place = _work_directory()
        self._reaper = reaper
        self._output = Output(reaper.collect)
        reading, self._writing = os.pipe()
        try:
            self._pid = spawn_shell(shell, reading, self._output, self._output, cwd=None, env=self._env)
        except StartError:
            os.close(self._writing)
            raise
        finally:
            os.close(reading)
            self._output.started()
        self._exit_code = reaper.claim(self._pid)
        self._expire = expire
        self._expiry: asyncio.TimerHandle | None = None

    def expect(self, seconds: float | None) -> None:
        """Wait for a script for so long from now on, or without end."""
        self._forget_expiry()
        if seconds is not None:
            self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire)

    def fits(self, shell: str, envs: dict[str, str]) -> bool:
        """Return whether *shell*, if it were started now, would be like this one."""
        return (
            shell == self._shell
            and self._env == {**os.environ, **envs}
            and self._place == _work_directory()
            and self.lives()
        )

    def lives(self) -> bool:
        """Return whether it still waits, and will go on."""
        return not self._exit_code.done() and _lives(self._pid)

    def run(self, script: str) -> Command:
        """Give it its script."""
        self._forget_expiry()
        with suppress(BrokenPipeError):  # it has been killed, as its exit code will tell
            os.write(self._writing, script.encode("utf-8", "surrogateescape"))
        os.close(self._writing)
        return Command(self._reaper, self._pid, self._output, self._output, self._exit_code)

    def end(self) -> None:
        """Let it end: a shell does at the end of its script."""
        self._forget_expiry()
        os.close(self._writing)

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()


def _is_simple(script: str) -> bool:
    """Return whether the script can be written at once, and does not ask for the age of its shell."""
    return len(script.encode("utf-8", "surrogateescape")) <= PIPE_BUF and UNTOLD_AGE not in script


def _lives(child: int) -> bool:
    """Return whether a child has neither ended nor been sent a signal that will end it: it may take that any moment."""
    try:
        with open(f"/proc/{child}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    flags, pending = int(fields[6]), int(fields[28])
    return not (flags & ENDING or pending & 1 << SIGKILL - 1)


def _work_directory() -> str:
    """Return where we are, also when that was renamed or removed."""
    return os.readlink("/proc/self/cwd")
