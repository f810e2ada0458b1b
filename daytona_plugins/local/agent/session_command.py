"""One command of a session: its files, its pipes, and how it ended.

The session's shell opens the pipes by their names, so they are FIFOs, and so nothing of one command is still open when
the next one runs. We read its output ourselves; it has ended when its status is known and the last writer of both
pipes is gone, so the last bytes are always in the log before there is an exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from typing import TYPE_CHECKING, Final

from daytona.protocols.logs import STDERR, STDOUT
from daytona_plugins.local.agent.command_log import CommandLog

if TYPE_CHECKING:
    from daytona.protocols.logs import Stream

READ_SIZE: Final = 65536
PIPE_CAPACITY: Final = 1024 * 1024
INPUT_LIMIT: Final = 16 * 1024 * 1024


class SessionCommand:
    """A command, from the moment it was accepted.

    Args:
        directory: Where its files are to be; it must not exist yet.
        text: What the shell reads.
        keeps_input: Whether its standard input stays open until it ends.
        echoes_input: Whether its input shows up in its log.
        name: Its id; None makes one up.
    """

    def __init__(
        self, directory: str, text: str, *, keeps_input: bool, echoes_input: bool, name: str | None = None
    ) -> None:
        self.id = name or str(uuid.uuid4())
        self.text = text
        self.exit_code: int | None = None
        self.refused = False
        """Whether it never ran, because its shell ended before."""
        self.over = asyncio.Event()
        """Set when it has ended, or never will."""
        self._directory = os.path.join(directory, self.id)
        os.makedirs(self._directory)
        self._write_script()
        self.log = CommandLog(self.path("output.log"))
        self._echoes_input = echoes_input
        self._outputs = [_OutputPipe(self, "stdout.pipe", STDOUT), _OutputPipe(self, "stderr.pipe", STDERR)]
        self._input = _InputPipe(self.path("input.pipe"), stays_open=keeps_input)

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return os.path.join(self._directory, name)

    def _write_script(self) -> None:
        with open(os.open(self.path("cmd.sh"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(self.text.encode("utf-8", "surrogateescape"))

    # -- While it runs --------------------------------------------------------------------------------------------

    def started(self) -> None:
        """Note that the shell has opened its standard input."""
        self._input.opened()

    def send_input(self, data: bytes) -> None:
        """Give it *data* to read, now or as soon as it runs."""
        if self._echoes_input:
            self.log.append(STDOUT, data)
        self._input.send(data)

    async def outputs_closed(self) -> None:
        """Return when nobody can write to its output any more; call it after its status is known."""
        for output in self._outputs:
            output.receive()
        await asyncio.wait([output.closed for output in self._outputs])

    def finish(self, exit_code: int | None) -> None:
        """Close everything and publish the exit code; None says that it has none. Only the first time counts."""
        if self.over.is_set():
            return
        for output in self._outputs:
            output.close()
        self._input.close()
        self.log.close()
        if exit_code is not None:
            self._write_exit_code(exit_code)
        self.exit_code = exit_code
        self.over.set()

    def refuse(self, message: str, exit_code: int) -> None:
        """Finish a command that never ran, and say why in its log."""
        self.refused = True
        self.log.append(STDERR, message.encode() + b"\n")
        self.finish(exit_code)

    def _write_exit_code(self, exit_code: int) -> None:
        with contextlib.suppress(OSError), open(self.path("exit_code"), "w", encoding="ascii") as file:
            file.write(f"{exit_code}\n")


class _OutputPipe:
    """A FIFO whose reader we are; a pipe nobody has opened yet is silent, one that everybody has closed is done."""

    def __init__(self, command: SessionCommand, name: str, stream: Stream) -> None:
        self._command = command
        self._path = command.path(name)
        self._stream: Stream = stream
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        os.mkfifo(self._path, 0o600)
        self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.add_reader(self._file, self.receive)

    def receive(self) -> None:
        """Take what is there."""
        if self.closed.done():
            return
        try:
            data = os.read(self._file, READ_SIZE)
        except BlockingIOError:
            return
        if data:
            self._command.log.append(self._stream, data)
        else:
            self._end()

    def close(self) -> None:
        """Take the rest and stop, even if somebody could write more; may be called twice."""
        if self.closed.done():
            return
        with contextlib.suppress(BlockingIOError):
            self._command.log.append(self._stream, os.read(self._file, PIPE_CAPACITY))
        self._end()

    def _end(self) -> None:
        self._loop.remove_reader(self._file)
        os.close(self._file)
        self.closed.set_result(None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class _InputPipe:
    """A FIFO whose writer we are.

    It is held open at least until the shell has opened it, because a reader alone would wait for a writer. A command
    that is waited for then finds the end of its input, unless some was sent before.
    """

    def __init__(self, path: str, *, stays_open: bool) -> None:
        self._path = path
        self._stays_open = stays_open
        self._is_open_elsewhere = False
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()
        os.mkfifo(path, 0o600)
        self._file: int | None = self._open()

    def _open(self) -> int:
        # Reading as well as writing, so that there need not be a reader yet.
        return os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def opened(self) -> None:
        self._is_open_elsewhere = True
        self._close_if_idle()

    def send(self, data: bytes) -> None:
        """Write *data*, keeping what does not fit until it is read."""
        if self._file is None:
            self._file = self._open()
        if len(self._waiting) + len(data) > INPUT_LIMIT:
            raise BufferError("too much input is waiting to be read")
        self._waiting += data
        self._write()

    def _write(self) -> None:
        assert self._file is not None
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                del self._waiting[: os.write(self._file, self._waiting)]
        if self._waiting:
            self._loop.add_writer(self._file, self._write)
        else:
            self._loop.remove_writer(self._file)
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_open_elsewhere and not self._stays_open and not self._waiting:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._loop.remove_writer(self._file)
            os.close(self._file)
            self._file = None

    def close(self) -> None:
        """Drop what nobody has read."""
        self._close_file()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
