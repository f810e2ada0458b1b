"""A shell that reads its script from standard input: the way execute and code-run start everything.

Feeding the script in means that its length has no limit, and that commands in it read from the script themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from daytona_plugins.local.agent.reaper import Reaper

READ_SIZE: Final = 65536
PIPE_SIZE: Final = 1024 * 1024
OUTPUT_LIMIT: Final = 64 * 1024 * 1024
DRAIN_AFTER_KILL: Final = 1.0
F_SETPIPE_SZ: Final = 1031


class Output:
    """What arrives on one pipe, up to a limit; the rest is read and dropped, so that nobody blocks on it."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._collected = bytearray()
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self.truncated = False
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done at the end of the pipe, which is when its last writer has ended."""
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._loop.add_reader(self._read_end, self._receive)

    def started(self) -> None:
        """Leave the writing end to the processes that have inherited it."""
        os.close(self.write_end)

    def text(self) -> str:
        """Return what has arrived so far; bytes outside UTF-8 are replaced."""
        return self._collected.decode("utf-8", "replace")

    def _receive(self) -> None:
        data = os.read(self._read_end, READ_SIZE)
        if not data:
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self.closed.set_result(None)
        kept = data[: self._limit - len(self._collected)]
        self._collected += kept
        self.truncated = self.truncated or len(kept) < len(data)


class Script:
    """Text on its way into a process that may read it slowly, or not at all."""

    def __init__(self, text: bytes) -> None:
        self._rest = memoryview(text)
        self._loop = asyncio.get_running_loop()
        self.read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def started(self) -> None:
        """Begin to write."""
        os.close(self.read_end)
        self._loop.add_writer(self._write_end, self._write)
        self._write()

    def close(self) -> None:
        """Stop writing; the reader sees the end of the text."""
        if self._write_end >= 0:
            self._loop.remove_writer(self._write_end)
            os.close(self._write_end)
            self._write_end = -1

    def _write(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._write_end, self._rest[:PIPE_SIZE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # the shell ended before its script did, as with `exit`
        self.close()


class StartError(Exception):
    """The shell could not be started; the text is the real daemon's."""


class Command:
    """A shell in its own process group, running a script."""

    def __init__(
        self, stdout: Output, stderr: Output, pid: int, exit_code: asyncio.Future[int], script: Script
    ) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._pid = pid
        self._exit_code = exit_code
        self._script = script
        self._started = time.monotonic()

    async def finish(self, *, timeout: float | None, drain: float | None) -> int:
        """Return the exit code once the output has ended, or *drain* seconds after the shell has.

        Raises:
            TimeoutError: It took longer than *timeout*; the process group has been killed.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._finish(drain)
        except TimeoutError:
            self.kill()
            await self._finish(DRAIN_AFTER_KILL)
            raise
        finally:
            self._script.close()

    async def _finish(self, drain: float | None) -> int:
        code = await asyncio.shield(self._exit_code)
        # A child in the background holds the pipes open; what it still writes later is read and dropped.
        await asyncio.wait({self.stdout.closed, self.stderr.closed}, timeout=drain)
        return code if code >= 0 else -1

    def kill(self) -> None:
        """Kill everything in the process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def is_gone(self) -> bool:
        """Return whether no process of the group is left."""
        try:
            os.killpg(self._pid, 0)
        except ProcessLookupError:
            return True
        return False

    def duration(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started


def start_command(
    reaper: Reaper, shell: str, script: str, *, cwd: str | None, envs: dict[str, str], separate: bool = False
) -> Command:
    """Start *script* in *shell*; stdout and stderr share one pipe unless they are to be *separate*.

    Raises:
        StartError: There is no such directory or shell.
    """
    stdout = Output()
    stderr = Output() if separate else stdout
    text = Script(script.encode("utf-8", "surrogateescape"))
    try:
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            [shell],
            stdin=text.read_end,
            stdout=stdout.write_end,
            stderr=stderr.write_end,
            cwd=cwd,
            env={**os.environ, **envs},
            process_group=0,
            close_fds=False,  # all our descriptors close by themselves at exec
        )
    except (OSError, ValueError) as error:
        text.close()
        reason = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise StartError(f"fork/exec {shell}: {reason}") from error
    finally:
        for output in {stdout, stderr}:
            output.started()
    text.started()
    process.returncode = 0  # the reaper collects it, not this object
    return Command(stdout, stderr, process.pid, reaper.claim(process.pid), text)
