"""One worker of the interpreter: a Python of the sandbox that runs code when told to, and what it prints meanwhile."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from daytona_plugins.local.agent.command import text_file
from daytona_plugins.local.agent.killing import kill_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.agent.reaper import Reaper

READ_SIZE: Final = 64 * 1024  # as much as a pipe holds: one read takes all that was written before a message
START_TIMEOUT: Final = 10.0
MESSAGE_LIMIT: Final = 64 * 1024 * 1024

# Read before there is a sandbox, inside of which this file does not exist.
_SCRIPT: Final = Path(__file__).with_name("interpreter_worker.py").read_text(encoding="utf-8")


class Chunk(msgspec.Struct):
    """What a client gets: every key is always there; `data` belongs to chunks that older clients ignore."""

    type: str
    text: str = ""
    name: str = ""
    value: str = ""
    traceback: str = ""
    data: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


_decode_chunk = msgspec.json.Decoder(Chunk).decode


class WorkerEndedError(Exception):
    """The worker has ended, or cannot be started; the text says which."""


class Output:
    """One of the worker's output pipes: bytes in, whole characters out."""

    def __init__(self, kind: Literal["stdout", "stderr"], activity: asyncio.Event) -> None:
        self.kind = kind
        self._loop = asyncio.get_running_loop()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._end, self.write_end = os.pipe()
        os.set_blocking(self._end, False)
        self._activity = activity
        self.discard()

    def discard(self) -> None:
        """Throw away what arrives from now on: nobody runs code, and who prints all the same shall not get stuck."""
        self._loop.add_reader(self._end, self._throw_away)

    def _throw_away(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(self._end, READ_SIZE):
                self._loop.remove_reader(self._end)

    def keep(self) -> None:
        """Wait for what arrives from now on, and forget what has arrived."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._end, READ_SIZE)
        self._decode(b"", final=True)
        self._loop.add_reader(self._end, self._activity.set)

    def take(self, *, final: bool = False) -> str:
        """Return what has arrived; with *final* including a character that is not whole."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._end, READ_SIZE)
            if not data:  # the end of the pipe would be readable for ever
                self._loop.remove_reader(self._end)
        return self._decode(data, final=final)

    def close(self) -> None:
        """Let go of the pipe."""
        self._loop.remove_reader(self._end)
        os.close(self._end)


class Worker:
    """A running worker; it runs one piece of code at a time."""

    def __init__(self, reaper: Reaper, cwd: str) -> None:
        self._activity = asyncio.Event()
        self._outputs = [Output("stdout", self._activity), Output("stderr", self._activity)]
        self._loop = asyncio.get_running_loop()
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._loop.add_reader(self._line, self._activity.set)
        self._received = bytearray()
        try:
            self._pid = _start(cwd, theirs, self._outputs)
        except OSError as error:
            self._let_go()
            raise WorkerEndedError(
                f"python cannot be started in {cwd}: {os.strerror(error.errno or 0)}"
            ) from error
        finally:
            theirs.close()
            for output in self._outputs:
                os.close(output.write_end)
        self.exited = reaper.claim(self._pid)
        self.exited.add_done_callback(self._ended)

    @classmethod
    async def start(cls, reaper: Reaper, cwd: str) -> Worker:
        """Return a worker that is ready to run code.

        Raises:
            WorkerEndedError: It cannot be started.
        """
        worker = cls(reaper, cwd)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not worker._messages():
                    if worker.exited.done():
                        raise WorkerEndedError("python ended before it was ready")
                    await worker._wait()
        except (TimeoutError, WorkerEndedError) as error:
            worker.close()
            raise WorkerEndedError("python did not get ready") from error
        return worker

    async def run(self, code: str, envs: dict[str, str], emit: Callable[[Chunk], Awaitable[None]]) -> None:
        """Run *code*; *emit* gets its output, and at the end a chunk of type `control`.

        Raises:
            WorkerEndedError: It ended before the code did.
        """
        for output in self._outputs:
            output.keep()
        try:
            await self._send(msgspec.json.encode({"code": code, "envs": envs}) + b"\n")
            while True:
                ended = self.exited.done()
                if await self._pass_on(emit):
                    return
                if ended:
                    raise WorkerEndedError("worker process ended")
                await self._wait()
        finally:
            for output in self._outputs:
                output.discard()

    async def _pass_on(self, emit: Callable[[Chunk], Awaitable[None]]) -> bool:
        """Pass on what has arrived; return whether the code has ended.

        Messages are read before the output and passed on after it: what was printed before a message comes first.
        """
        messages = self._messages()
        ended = any(message.type == "control" for message in messages)
        for output in self._outputs:
            if text := output.take(final=ended):
                await emit(Chunk(output.kind, text))
        for message in messages:
            await emit(message)
        return ended

    async def _wait(self) -> None:
        await self._activity.wait()
        self._activity.clear()

    def _messages(self) -> list[Chunk]:
        """Return the messages that have arrived; a worker that has lost its line, or writes nonsense to it, is ended."""
        try:
            data = self._line.recv(READ_SIZE)
            self._received += data
            if not data or len(self._received) > MESSAGE_LIMIT:
                raise ConnectionError
            if b"\n" not in data:
                return []
            *lines, self._received = self._received.split(b"\n")
            return [_decode_chunk(line) for line in lines]
        except BlockingIOError:
            return []
        except (ConnectionError, msgspec.DecodeError):
            self._loop.remove_reader(self._line)
            self.kill()
            return []

    async def _send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._line, data)
        except ConnectionError as error:
            raise WorkerEndedError("worker process ended") from error

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the code that runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGINT)

    def kill(self) -> None:
        """End the worker and everything it started."""
        if not self.exited.done():
            kill_session(self._pid)

    def _ended(self, _exit_code: asyncio.Future[int]) -> None:
        self._activity.set()

    def close(self) -> None:
        """End the worker and everything it started, and let go of it; may be called twice."""
        self.kill()
        if self._line.fileno() >= 0:
            self._let_go()

    def _let_go(self) -> None:
        self._loop.remove_reader(self._line)
        self._line.close()
        for output in self._outputs:
            output.close()


def _start(cwd: str, line: socket.socket, outputs: list[Output]) -> int:
    """Return the id of a new worker process."""
    python = shutil.which("python3") or shutil.which("python")
    if python is None:
        raise FileNotFoundError(2, "no python")
    script = text_file(_SCRIPT)
    os.set_inheritable(script, True)
    os.set_inheritable(line.fileno(), True)
    try:
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            [python, f"/proc/self/fd/{script}", str(line.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=outputs[0].write_end,
            stderr=outputs[1].write_end,
            cwd=cwd,
            start_new_session=True,
            close_fds=False,  # all our other descriptors close by themselves at exec
        )
    finally:
        os.close(script)
    process.returncode = 0  # the reaper collects it, not this object
    return process.pid
