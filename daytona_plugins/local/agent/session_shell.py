"""The shell of a session: one process that runs one command after another.

It reads its orders from a pipe, one line each, and reports on another, which is its standard output:

    { builtin echo; . …/cmd.sh > …/stdout.pipe 2> …/stderr.pipe; } < …/input.pipe; builtin echo $?

The empty line says that the input is open; the number is the status. A command is sourced by the shell itself, so what
it changes stays, and a `return` or a syntax error in it ends no more than the command. Whatever ends the shell (`exit`,
`exec`, `set -e`, a signal) is seen by the reaper, and its status is the command's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import subprocess
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from daytona_plugins.local.agent.command import StartError
from daytona_plugins.local.agent.process_tree import end_tree

if TYPE_CHECKING:
    from daytona_plugins.local.agent.reaper import Reaper
    from daytona_plugins.local.agent.session_command import SessionCommand

READ_SIZE: Final = 4096
DRAIN_AFTER_DEATH: Final = 1.0
NEVER_RAN: Final = -1


class SessionShell:
    """A shell, and the commands that wait for it.

    Raises:
        StartError: It could not be started.
    """

    def __init__(self, reaper: Reaper, shell: str, cwd: str) -> None:
        self._report = _Report()
        orders, self._orders = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 (running what the user asks for is the purpose)
                [shell],
                stdin=orders,
                stdout=self._report.write_end,
                stderr=subprocess.DEVNULL,
                cwd=cwd,
                process_group=0,
                close_fds=False,  # all our other descriptors close by themselves at exec
            )
        except OSError as error:
            self._close()
            raise StartError(f"fork/exec {shell}: {os.strerror(error.errno or 0).lower()}") from error
        finally:
            os.close(orders)
            self._report.started()
        process.returncode = 0  # the reaper collects it, not this object
        self._pid = process.pid
        self._echo = "builtin echo" if os.path.basename(shell) in ("bash", "zsh") else "command echo"
        self._queue: deque[SessionCommand] = deque()
        self._wanted = asyncio.Event()
        self._exit = reaper.claim(process.pid)
        self._exit.add_done_callback(lambda _exit: self._ended())
        self._task = asyncio.ensure_future(self._work())

    @property
    def ended(self) -> bool:
        """Whether the shell is gone: no command can run any more."""
        return self._exit.done()

    def submit(self, command: SessionCommand) -> None:
        """Run *command* when all before it have ended."""
        self._queue.append(command)
        self._wanted.set()

    async def end(self, grace: float) -> None:
        """End it with everything it has started; commands that have not ended are finished without an exit code."""
        self._task.cancel()
        for command in self._queue:
            command.finish(None)
        await end_tree(self._pid, grace=grace)
        await asyncio.wait([self._exit])
        await asyncio.wait([self._task])
        self._close()

    # -- Commands -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self.ended:
            self._wanted.clear()
            while self._queue:
                await self._run(self._queue[0])
                self._queue.popleft()
            await self._wanted.wait()

    async def _run(self, command: SessionCommand) -> None:
        with contextlib.suppress(BrokenPipeError):  # the shell is ending, which its report will tell
            os.write(self._orders, self._order(command))
        ran = False
        while (line := await self._report.line()) is not None:
            if line.isdigit():
                await self._finish(command, int(line))
                return
            ran = True
            command.started()
        if ran:
            await self._finish(command, _as_status(self._exit.result()))
        else:
            command.refuse("the session's shell ended before this command could run", NEVER_RAN)

    def _order(self, command: SessionCommand) -> bytes:
        script, stdin, stdout, stderr = (
            shlex.quote(command.path(name)) for name in ("cmd.sh", "input.pipe", "stdout.pipe", "stderr.pipe")
        )
        return os.fsencode(
            f"{{ {self._echo}; . {script} > {stdout} 2> {stderr}; }} < {stdin}; {self._echo} $?\n"
        )

    async def _finish(self, command: SessionCommand, status: int) -> None:
        """Finish when all output has arrived; a background child keeps a command going as long as the shell lives."""
        closing = asyncio.ensure_future(command.outputs_closed())
        first: list[asyncio.Future[Any]] = [closing, self._exit]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([closing], timeout=DRAIN_AFTER_DEATH)
        finally:
            closing.cancel()
        command.finish(status)

    # -- The end --------------------------------------------------------------------------------------------------

    def _ended(self) -> None:
        self._report.end()
        self._wanted.set()

    def _close(self) -> None:
        os.close(self._orders)
        self._report.close()


class _Report:
    """What the shell says, line by line, until it is gone."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._rest = b""
        self._read_end: int | None
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._loop.add_reader(self._read_end, self._receive)

    def started(self) -> None:
        """Leave the writing end to the shell."""
        os.close(self.write_end)

    async def line(self) -> bytes | None:
        """Return the next line, or None, from then on, when the shell has ended."""
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)
        return line

    def end(self) -> None:
        """Note that the shell has ended: what it has said is in the pipe, whoever may still hold the other end."""
        self._receive()
        self.close()
        self._lines.put_nowait(None)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        if self._read_end is not None:
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self._read_end = None

    def _receive(self) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._read_end, READ_SIZE) if self._read_end is not None else b""
        if not data:
            self.close()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._lines.put_nowait(line)


def _as_status(code: int) -> int:
    """Return an exit code as a shell tells it: 128 and more for a signal."""
    return code if code >= 0 else 128 - code
