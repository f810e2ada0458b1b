"""A program on a pseudo terminal of its own, which is its controlling terminal: job control and signals work."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import termios
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.killing import kill_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daytona_plugins.local.agent.reaper import Reaper

READ_SIZE: Final = 32 * 1024


class Terminal:
    """A running program and our end of its terminal."""

    def __init__(self, descriptor: int, pid: int, exit_code: asyncio.Future[int]) -> None:
        self.exit_code = exit_code
        self.pid = pid
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._turn = asyncio.Lock()
        self._closed = False
        os.set_blocking(descriptor, False)
        exit_code.add_done_callback(self._wake)

    def _wake(self, _exit_code: asyncio.Future[int]) -> None:
        self._readable.set()
        self._writable.set()

    # -- Output ---------------------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return the next output; nothing when the program has ended and all it wrote was read.

        Others that it left behind may still hold the terminal; what they write from now on nobody sees.
        """
        while True:
            ended = self.exit_code.done()
            try:
                return os.read(self._descriptor, READ_SIZE)
            except BlockingIOError:
                if ended:
                    return b""
                await self._wait_readable()
            except OSError:  # EIO: no process holds the terminal any more
                await asyncio.wait({self.exit_code})
                return b""

    async def _wait_readable(self) -> None:
        self._readable.clear()
        self._loop.add_reader(self._descriptor, self._readable.set)
        try:
            await self._readable.wait()
        finally:
            self._loop.remove_reader(self._descriptor)

    # -- Input ----------------------------------------------------------------------------------------------------

    def write_now(self, data: bytes) -> bytes:
        """Type what the terminal takes without waiting, and return the rest; all of it while others are typing."""
        if self._closed or self._turn.locked():
            return data
        try:
            return data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            return data
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Type *data*, waiting while the program is slow to read; input for a program that has ended is dropped."""
        async with self._turn:
            view = memoryview(data)
            while view and not self._closed:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    if self.exit_code.done():
                        return
                    await self._wait_writable()
                except OSError:
                    return

    async def _wait_writable(self) -> None:
        self._writable.clear()
        self._loop.add_writer(self._descriptor, self._writable.set)
        try:
            await self._writable.wait()
        finally:
            if not self._closed:
                self._loop.remove_writer(self._descriptor)

    # -- The rest -------------------------------------------------------------------------------------------------

    def resize(self, rows: int, cols: int) -> None:
        """Change the size; the kernel tells the programs in the foreground by SIGWINCH."""
        termios.tcsetwinsize(self._descriptor, (rows, cols))

    def kill(self) -> set[int]:
        """End the program and everything it started, and return the processes that are to end."""
        return kill_session(self.pid)

    def close(self) -> None:
        """Let go of the terminal once its program has ended: whoever still holds it is hung up on."""
        self._closed = True
        self._loop.remove_writer(self._descriptor)
        os.close(self._descriptor)


def start_terminal(
    reaper: Reaper,
    command: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    rows: int,
    cols: int,
) -> Terminal:
    """Start *command* on a new terminal.

    Raises:
        OSError: There is no such directory or program, or no terminal left.
    """
    ours, theirs = os.openpty()
    try:
        termios.tcsetwinsize(theirs, (rows, cols))
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            command,
            cwd=cwd,
            env=env,
            # Only the child itself can make a terminal its own. This is one C function, and takes no lock.
            preexec_fn=functools.partial(os.login_tty, theirs),
            close_fds=False,  # all our other descriptors close by themselves at exec
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    process.returncode = 0  # the reaper collects it, not this object
    return Terminal(ours, process.pid, reaper.claim(process.pid))
