"""A language server as a process: questions in, answers out, and the reason when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from daytona.protocols.jsonrpc import Answer, Asked, Dialogue, Event, ProtocolError, Refusal
from daytona_plugins.local.agent.killing import kill_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.agent.reaper import Reaper

T = TypeVar("T")

READ_SIZE: Final = 64 * 1024
TAIL: Final = 2000
ANSWER_TIMEOUT: Final = 60.0
FAREWELL: Final = 2.0
"""Seconds a server has for each of its last two duties: to agree to end, and to end."""


class ServerEndedError(Exception):
    """The server has ended; the text says how, and what it wrote last."""


class RefusedError(Exception):
    """The server has no answer to a question; the text is its reason."""


class ConfigurationParams(msgspec.Struct):
    """What a server wants to know about its settings."""

    items: list[msgspec.Raw] = []


class Tail:
    """The last of what is written to a pipe."""

    def __init__(self) -> None:
        self._kept = b""
        self._loop = asyncio.get_running_loop()
        self._end, self.write_end = os.pipe()
        os.set_blocking(self._end, False)
        self._loop.add_reader(self._end, self._receive)

    def _receive(self) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._end, READ_SIZE)
            if not data:
                self.close()
        self._kept = (self._kept + data)[-TAIL:]

    def text(self) -> str:
        """Return the last lines."""
        if self._end >= 0:
            self._receive()
        return self._kept.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Let go of the pipe; may be called twice."""
        if self._end >= 0:
            self._loop.remove_reader(self._end)
            os.close(self._end)
            self._end = -1


class ServerProcess:
    """A running language server; `open` it once, then ask."""

    def __init__(self, reaper: Reaper, command: list[str], cwd: str) -> None:
        """Start *command*.

        Raises:
            OSError: It cannot be started.
        """
        self.name = os.path.basename(command[0])
        self._dialogue = Dialogue()
        self._answers: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._errors = Tail()
        self._line, theirs = socket.socketpair()
        try:
            self._pid = _start(command, cwd, theirs, self._errors.write_end)
        except OSError:
            self._errors.close()
            self._line.close()
            raise
        finally:
            theirs.close()
            os.close(self._errors.write_end)
        self._exited = reaper.claim(self._pid)

    async def open(self) -> None:
        """Start to listen to it."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._line)
        self._listening = asyncio.create_task(self._listen())

    @property
    def ended(self) -> bool:
        """Whether it answers no more."""
        return self._exited.done() or self._listening.done()

    async def ask(self, method: str, params: object, decode: Callable[[bytes], T]) -> T:
        """Return the server's answer, decoded.

        Raises:
            RefusedError: It refuses to answer, or answers something else.
            ServerEndedError: It has ended, or ends while we wait.
            TimeoutError: It takes too long.
        """
        if self.ended:
            raise await self._reason()
        number, question = self._dialogue.request(method, params)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(question)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return decode(await answer)
        except msgspec.DecodeError as error:
            raise RefusedError(f"{self.name} answered {method} with something else: {error}") from error
        except TimeoutError:
            self.tell("$/cancelRequest", {"id": number})
            raise
        finally:
            del self._answers[number]

    def tell(self, method: str, params: object = None) -> None:
        """Say something that has no answer; to a server that has ended it says nothing."""
        if not self.ended:
            self._writer.write(self._dialogue.notify(method, params))

    async def end(self) -> None:
        """End it in order, or by force when it will not."""
        with contextlib.suppress(TimeoutError, RefusedError, ServerEndedError):
            async with asyncio.timeout(FAREWELL):
                await self.ask("shutdown", None, bytes)
        self.tell("exit")
        await asyncio.wait([self._exited], timeout=FAREWELL)
        self.kill()
        await asyncio.wait([self._listening], timeout=FAREWELL)

    def kill(self) -> None:
        """End it, and everything it started."""
        if not self._exited.done():
            kill_session(self._pid)

    async def _listen(self) -> None:
        try:
            while data := await self._reader.read(READ_SIZE):
                for event in self._dialogue.receive(data):
                    self._take(event)
        except ConnectionError:
            pass  # it ended with questions of ours unread
        except ProtocolError as error:
            self._fail(ServerEndedError(f"{self.name} does not speak the protocol: {error}"))
        finally:
            # A server without its line is of no use, even if it lives on.
            self.kill()
            self._writer.close()
        self._fail(await self._reason())
        self._errors.close()

    def _take(self, event: Event) -> None:
        match event:
            case Answer(number, result):
                self._settle(number, result)
            case Refusal(number, code, message):
                self._settle(number, RefusedError(f"{message} ({code})"))
            case Asked():
                self._writer.write(self._dialogue.answer(event, _reply(event)))
            case _:
                pass  # diagnostics, progress, logs: nobody has asked for them

    def _settle(self, number: int, result: msgspec.Raw | RefusedError) -> None:
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return  # who asked has given up
        if isinstance(result, RefusedError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _fail(self, error: ServerEndedError) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)

    async def _reason(self) -> ServerEndedError:
        code = await asyncio.shield(self._exited)
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        said = self._errors.text()
        return ServerEndedError(
            f"the language server {self.name} ended {how}" + (f": {said}" if said else "")
        )


def _reply(question: Asked) -> object:
    """Return null, as someone without settings and without an editor; settings are asked for in lists."""
    if question.method != "workspace/configuration":
        return None
    try:
        return [None] * len(msgspec.json.decode(question.params, type=ConfigurationParams).items)
    except msgspec.DecodeError:
        return []


def _start(command: list[str], cwd: str, line: socket.socket, errors: int) -> int:
    """Return the id of a new process that talks through *line*."""
    process = subprocess.Popen(  # noqa: S603 (the program comes from a list of ours)
        command,
        stdin=line.fileno(),
        stdout=line.fileno(),
        stderr=errors,
        cwd=cwd,
        start_new_session=True,
        close_fds=False,  # all our other descriptors close by themselves at exec
    )
    process.returncode = 0  # the reaper collects it, not this object
    return process.pid
