"""What runs for somebody who has logged in: a shell or a command, on a terminal or on three pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.killing import kill_session
from daytona_plugins.local.agent.pipe import Pipe
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.agent.terminal import Terminal, start_terminal
from daytona_plugins.local.frames import Kind, Size, Start

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.agent.toolbox import Toolbox

_DEFAULT_TERM: Final = "xterm-256color"


class Login:
    """A running program, the same to its user whether it has a terminal or not.

    Attributes:
        exit_code: 0 to 255, or the negative number of a signal.
        outputs: Where to read, by the kind of frame it goes out in.
    """

    exit_code: asyncio.Future[int]
    outputs: dict[Kind, Callable[[], Awaitable[bytes]]]

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def write(self, data: bytes) -> None:
        """Give it input, waiting while it does not read."""
        raise NotImplementedError

    def end_input(self) -> None:
        """Tell it that there is no more input."""

    def resize(self, size: Size) -> None:
        """Change the size of its terminal, if it has one."""

    def send_signal(self, name: str) -> None:
        """Send the signal called *name*, as SSH calls it, to it and its process group; an unknown one is ignored."""
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals) and not self.exit_code.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, number)

    def kill(self) -> None:
        """End it and everything it started."""
        if not self.exit_code.done():
            kill_session(self._pid)

    def close(self) -> None:
        """Let go of what it reads and writes."""


class TerminalLogin(Login):
    """A program on a terminal."""

    def __init__(self, terminal: Terminal, pid: int) -> None:
        super().__init__(pid)
        self._terminal = terminal
        self.exit_code = terminal.exit_code
        self.outputs = {Kind.OUTPUT: terminal.read}

    async def write(self, data: bytes) -> None:
        """Type *data*."""
        await self._terminal.write(data)

    def resize(self, size: Size) -> None:
        """Change the size of the terminal."""
        self._terminal.resize(size.rows, size.cols)

    def close(self) -> None:
        """Hang up on whoever still holds the terminal."""
        self._terminal.close()


class PipedLogin(Login):
    """A program on pipes."""

    def __init__(
        self, pid: int, stdin: Pipe, stdout: Pipe, stderr: Pipe, exit_code: asyncio.Future[int]
    ) -> None:
        super().__init__(pid)
        self._stdin = stdin
        self._pipes = (stdin, stdout, stderr)
        self.exit_code = exit_code
        self.outputs = {Kind.OUTPUT: stdout.read, Kind.ERRORS: stderr.read}

    async def write(self, data: bytes) -> None:
        """Give it input."""
        await self._stdin.write(data)

    def end_input(self) -> None:
        """Close its standard input."""
        self._stdin.close()

    def close(self) -> None:
        """Close all pipes."""
        for pipe in self._pipes:
            pipe.close()


def log_in(toolbox: Toolbox, start: Start) -> Login:
    """Return what *start* asks for, running.

    Raises:
        OSError: There is no shell, or no terminal left.
    """
    shell = choose_shell()
    command = [shell, "-l"] if start.command is None else [shell, "-c", start.command]
    env = {**os.environ, **start.env}
    if start.terminal is None:
        return _on_pipes(toolbox, command, env)
    terminal = start_terminal(
        toolbox.reaper,
        command,
        cwd=toolbox.work_dir,
        env={**env, "TERM": start.env.get("TERM") or _DEFAULT_TERM},
        rows=start.terminal.rows,
        cols=start.terminal.cols,
    )
    return TerminalLogin(terminal, terminal.pid)


def _on_pipes(toolbox: Toolbox, command: list[str], env: dict[str, str]) -> Login:
    stdin, give = os.pipe()
    take_output, stdout = os.pipe()
    take_errors, stderr = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=toolbox.work_dir,
            env=env,
            start_new_session=True,
            close_fds=False,  # all our other descriptors close by themselves at exec
        )
    except BaseException:
        for ours in (give, take_output, take_errors):
            os.close(ours)
        raise
    finally:
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
    process.returncode = 0  # the reaper collects it, not this object
    exit_code = toolbox.reaper.claim(process.pid)
    return PipedLogin(process.pid, Pipe(give), Pipe(take_output), Pipe(take_errors), exit_code)
