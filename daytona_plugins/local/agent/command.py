"""A shell that reads its script from standard input: the way execute and code-run start everything.

Feeding the script in means that its length has no limit, and that commands in it read from the script themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daytona_plugins.local.agent.reaper import Reaper

READ_SIZE: Final = 65536
OUTPUT_LIMIT: Final = 64 * 1024 * 1024
DRAIN_AFTER_KILL: Final = 0.05

_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


class Output:
    """What arrives on one pipe, up to a limit; the rest is read and dropped, so that nobody blocks on it.

    *at_end* is called when its last writer has closed it, which is mostly by ending.
    """

    def __init__(self, at_end: Callable[[], None], limit: int = OUTPUT_LIMIT) -> None:
        self._collected = bytearray()
        self._at_end = at_end
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

    def finish(self) -> None:
        """Keep nothing of what arrives from now on: a child in the background may write for days."""
        self._limit = len(self._collected)

    def _receive(self) -> None:
        data = os.read(self._read_end, READ_SIZE)
        if not data:
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self.closed.set_result(None)
            self._at_end()
        kept = data[: self._limit - len(self._collected)]
        self._collected += kept
        self.truncated = self.truncated or len(kept) < len(data)


class StartError(Exception):
    """The shell could not be started; the text is the real daemon's."""


class Command:
    """A shell in its own process group, running a script; *exit_code* if that has been claimed already."""

    def __init__(
        self,
        reaper: Reaper,
        pid: int,
        stdout: Output,
        stderr: Output,
        exit_code: asyncio.Future[int] | None = None,
    ) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._pid = pid
        self._reaper = reaper
        self._exit_code = reaper.claim(pid) if exit_code is None else exit_code
        self._started = time.monotonic()
        self.truncated = False

    def text(self) -> str:
        """Return all output so far; of separate streams, one after the other."""
        return self.stdout.text() + (self.stderr.text() if self.stderr is not self.stdout else "")

    async def finish(self, *, timeout: float | None, drain: float | None) -> int:
        """Return the exit code once the output has ended, or *drain* seconds after the shell has.

        Raises:
            TimeoutError: It took longer than *timeout*; the process group has been killed.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._finish(drain)
        except TimeoutError:
            self._kill()
            await self._finish(DRAIN_AFTER_KILL)
            raise

    async def _finish(self, drain: float | None) -> int:
        code = await asyncio.shield(self._exit_code)
        # A child in the background holds the pipes open; what it still writes later is read and dropped.
        if still_open := {output.closed for output in (self.stdout, self.stderr) if not output.closed.done()}:
            await asyncio.wait(still_open, timeout=drain)
        self.truncated = self.stdout.truncated or self.stderr.truncated
        self.stdout.finish()
        self.stderr.finish()
        return code if code >= 0 else -1

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    async def is_gone(self, timeout: float) -> bool:
        """Return whether the whole process group has ended, waiting up to *timeout* seconds for it."""
        return await self._reaper.wait_until_gone(self._pid, timeout)

    def duration(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started


def start_command(
    reaper: Reaper,
    shell: str,
    script: str,
    *,
    cwd: str | None,
    envs: dict[str, str],
    separate: bool = False,
    passed: Sequence[int] = (),
) -> Command:
    """Start *script* in *shell*; stdout and stderr share one pipe unless they are to be *separate*.

    The descriptors *passed* keep their numbers in the shell.

    Raises:
        StartError: There is no such directory or shell.
    """
    stdout = Output(reaper.collect)
    stderr = Output(reaper.collect) if separate else stdout
    stdin = text_file(script)
    for descriptor in passed:
        os.set_inheritable(descriptor, True)
    try:
        pid = spawn_shell(shell, stdin, stdout, stderr, cwd=cwd, env={**os.environ, **envs})
    finally:
        os.close(stdin)
        for output in {stdout, stderr}:
            output.started()
    return Command(reaper, pid, stdout, stderr)


def spawn_shell(
    shell: str, stdin: int, stdout: Output, stderr: Output, *, cwd: str | None, env: dict[str, str]
) -> int:
    """Return the pid of a new shell, which the reaper has to be told of.

    Raises:
        StartError: There is no such directory or shell.
    """
    try:
        if cwd is None and os.path.isabs(shell):
            return _spawn_here(shell, stdin, stdout, stderr, env)
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            [shell],
            stdin=stdin,
            stdout=stdout.write_end,
            stderr=stderr.write_end,
            cwd=cwd,
            env=env,
            process_group=0,
            close_fds=False,  # all our other descriptors close by themselves at exec
        )
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise StartError(f"fork/exec {shell}: {reason}") from error
    process.returncode = 0  # the reaper collects it, not this object
    return process.pid


def _spawn_here(shell: str, stdin: int, stdout: Output, stderr: Output, env: dict[str, str]) -> int:
    """Do what `subprocess` does, which for our work directory is one call."""
    descriptors = (stdin, stdout.write_end, stderr.write_end)
    return os.posix_spawn(
        shell,
        [shell],
        env,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(descriptors)
        ],
        setpgroup=0,
        setsigdef=_IGNORED_BY_PYTHON,
    )


def text_file(text: str) -> int:
    """Return a descriptor of an unnamed file in memory that holds *text* and cannot be changed.

    A shell reads a file in blocks and puts its position back before each command, but a pipe byte by byte.
    """
    file = os.memfd_create("script", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(file, "wb", closefd=False) as writer:
        writer.write(text.encode("utf-8", "surrogateescape"))
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    os.lseek(file, 0, os.SEEK_SET)
    return file
