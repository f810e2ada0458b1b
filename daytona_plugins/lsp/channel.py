"""The standard input and output of a program in a sandbox, as a stream of bytes.

No toolbox offers that, but each has terminals, and a terminal in raw mode passes bytes as they are. So this works with
every platform. What is typed to get there is one line of shell: it makes the terminal raw, says so by a word that the
echo of the line does not contain, and becomes the program. What the program complains about does not mix with what it
answers: the end of it is kept in a file, however much there is.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Self

from daytona.errors import DaytonaConnectionError, DaytonaError, DaytonaTimeoutError
from daytona.models._base import Model
from daytona.models.pty import PtyCreateRequest, PtyCreateResponse
from daytona.protocols.pty import EXIT_CONTROL, Terminal, frames
from daytona.service import segment

if TYPE_CHECKING:
    from daytona.service import Api
    from daytona.transport.websocket import WebSocketStream

__all__ = ["Channel"]

READY: Final = b"\x02ready\x03"
SCRIPT: Final = """\
stty raw -echo; d={directory}; mkdir -p $d; mkfifo $d/pipe
(trap "" HUP; tail -c 2000 <$d/pipe >$d/said; : >$d/done) &
printf "\\002%s\\003" ready
exec 2>$d/pipe
{program}"""
FAREWELL: Final = 2.0
"""Seconds that a terminal has for telling how its program ended."""
LAST_WORDS: Final = """\
d={directory}; for i in 1 2 3 4 5 6 7 8 9 10; do [ -e $d/done ] && break; sleep 0.1; done
cat $d/said; rm -rf $d"""


class _Output(Model, frozen=True):
    """What a command printed."""

    result: str = ""


class Channel:
    """A program that runs at the other end of a terminal; `open` one, and `close` it."""

    def __init__(self, api: Api, name: str, socket: WebSocketStream) -> None:
        self._api = api
        self._name = name
        self._socket = socket
        self._terminal = Terminal()
        self._early = b""
        """What the program has written already, before anybody asked."""

    @classmethod
    async def open(cls, api: Api, program: str, cwd: str) -> Self:
        """Return the channel to a program that has been started.

        Args:
            api: The API of the sandbox's toolbox.
            program: What starts it, in the language of the shell; it ends with `exec`.
            cwd: Where it runs.
        """
        name = f"lsp-{token_hex(8)}"
        request = PtyCreateRequest(id=name, cwd=cwd, cols=80, rows=24)
        await api.call("POST", "/process/pty", json=request, into=PtyCreateResponse)
        path = f"/process/pty/{segment(name)}/connect"
        socket = await api.transport.open_websocket(await api.endpoint(), path, None, [EXIT_CONTROL])
        channel = cls(api, name, socket)
        try:
            await channel._start(program)
        except BaseException:
            await api.transport.shielded(channel.close)
            raise
        return channel

    async def _start(self, program: str) -> None:
        while not (self._terminal.connected or self._terminal.ended):
            await self._next()
        script = SCRIPT.format(directory=self._directory, program=program)
        await self.send(f" exec sh -c {shlex.quote(script)}\n".encode())
        shown = b""
        while READY not in shown:
            data = await self.receive()
            if not data:
                raise DaytonaConnectionError(
                    f"the terminal has ended: {shown[-500:].decode(errors='replace')}"
                )
            shown = (shown + data)[-len(READY) - len(data) :]
        self._early = shown.partition(READY)[2]

    @property
    def _directory(self) -> str:
        return f"/tmp/{self._name}"  # noqa: S108 - in the sandbox, and of a name that nobody guesses

    @property
    def exit_code(self) -> int | None:
        """How the program ended, None while it runs and where nobody knows."""
        return self._terminal.exit_code

    async def send(self, data: bytes) -> None:
        """Write to the program.

        Raises:
            DaytonaConnectionError: It has ended.
        """
        if not self._terminal.running:
            raise DaytonaConnectionError("the program has ended")
        try:
            for frame in frames(data):
                await self._socket.send_binary(frame)
        except ConnectionError as error:
            raise DaytonaConnectionError("the program has ended") from error

    async def receive(self) -> bytes:
        """Return what the program has written, b"" once it has ended."""
        data, self._early = self._early, b""
        while not data and not self._terminal.ended:
            data = await self._next()
        return data

    async def _next(self) -> bytes:
        try:
            return self._terminal.receive(await self._socket.receive())
        except DaytonaTimeoutError:
            raise
        except DaytonaConnectionError as error:
            self._terminal.lose(error.message)
            return b""

    async def drain(self) -> None:
        """Read what is left to be read of a program that has ended; how it did comes last."""
        with suppress(DaytonaTimeoutError), self._api.transport.deadline(FAREWELL):
            while await self.receive():
                pass

    async def last_words(self) -> str:
        """Return the end of what the program has complained about, once it has ended."""
        script = LAST_WORDS.format(directory=self._directory)
        command = {"command": f"sh -c {shlex.quote(script)}"}
        with suppress(DaytonaError):
            said = await self._api.call("POST", "/process/execute", json=command, into=_Output)
            return said.result.strip()
        return ""

    async def close(self) -> None:
        """End the program and everything it has started; may be called twice."""
        self._terminal.lose(None)
        await self._socket.close()
        with suppress(DaytonaError):  # gone already
            await self._api.call("DELETE", f"/process/pty/{segment(self._name)}")
        with suppress(DaytonaError):
            await self._api.call("DELETE", "/files", query={"path": self._directory, "recursive": True})
