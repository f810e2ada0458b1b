"""What a client opens on its SSH connection: a program, the files, or a port, all of them inside the sandbox."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

import asyncssh
import msgspec
from asyncssh.constants import EXTENDED_DATA_STDERR

from daytona_plugins.local.forwarding import PeerGoneError
from daytona_plugins.local.frames import Ended, Kind, Size, Start, frame, message, received
from daytona_plugins.local.platform.ssh_relay import Host, Relay, open_channel
from daytona_plugins.local.tasks import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daytona_plugins.local.platform.agent_connection import AgentConnection

SANDBOX_GONE = 255
"""The exit status of what ended with its sandbox: OpenSSH's own for a connection that failed."""
_ROWS, _COLS = 24, 80


class _Relayed(ABC):
    """What every session has: a relay to the agent, and a task that serves it from start to end."""

    _relay: Relay

    def __init__(self, host: Host) -> None:
        self._host = host
        self._task: asyncio.Task[None] | None = None

    def session_started(self) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(self._serve())

    def pause_writing(self) -> None:
        """Hold output back."""
        self._relay.hold()

    def resume_writing(self) -> None:
        """Let output go on."""
        self._relay.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what runs for a client that is gone."""
        if self._task is not None:
            self._task.cancel()

    @abstractmethod
    async def _serve(self) -> None: ...


class Session(_Relayed, asyncssh.SSHServerSession[bytes]):
    """A shell, a command, or SFTP."""

    _channel: asyncssh.SSHServerChannel[bytes]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._terminal: Size | None = None
        self._is_sftp = False

    # -- What asyncssh calls --------------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Note the channel."""
        self._channel = chan
        self._relay = Relay(chan)

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        """Agree to a terminal."""
        self._terminal = _size(term_size[0], term_size[1])
        return True

    def shell_requested(self) -> bool:
        """Agree to a shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Agree to a command."""
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Agree to SFTP, and nothing else."""
        self._is_sftp = subsystem == "sftp"
        return self._is_sftp

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass input on."""
        content = data if self._is_sftp else frame(Kind.INPUT, data)
        self._relay.put(content, credit=len(data))

    def eof_received(self) -> bool:
        """Pass on that there is no more input; output may follow."""
        self._relay.put(b"" if self._is_sftp else frame(Kind.INPUT_END))
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Pass a new size on."""
        self._relay.put(message(Kind.RESIZE, _size(width, height)))

    def signal_received(self, signal: str) -> None:
        """Pass a signal on."""
        self._relay.put(frame(Kind.SIGNAL, signal.encode()))

    def break_received(self, msec: int) -> bool:
        """Take a break for an interrupt."""
        self.signal_received("INT")
        return True

    # -- What the agent does --------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            with self._host.used():
                await (self._serve_files() if self._is_sftp else self._run_program())
        except (PeerGoneError, ConnectionError) as error:
            self._channel.write_stderr(f"{error}\r\n".encode())
            self._channel.exit(SANDBOX_GONE)

    async def _serve_files(self) -> None:
        with closing(await open_channel(self._host, "sftp")) as connection:
            await self._relay.pass_bytes(connection)
        self._channel.exit(0)

    async def _run_program(self) -> None:
        with closing(await open_channel(self._host, "program")) as connection:
            async with beside(self._send(connection)):
                self._exit(await self._show(connection))

    async def _send(self, connection: AgentConnection) -> None:
        env = {**self._channel.get_environment(), "TERM": self._channel.get_terminal_type() or "dumb"}
        start = Start(command=self._channel.get_command(), env=env, terminal=self._terminal)
        await connection.send_raw(message(Kind.START, start))
        while True:
            await connection.send_raw(await self._relay.next())

    async def _show(self, connection: AgentConnection) -> Ended:
        """Show what the program prints, and return how it ended."""
        async for kind, content in received(connection.receive_raw):
            if kind is Kind.OUTPUT:
                await self._relay.write(content)
            elif kind is Kind.ERRORS:
                await self._relay.write(content, EXTENDED_DATA_STDERR)
            elif kind is Kind.TAKEN:
                self._relay.taken(int(content))
            elif kind is Kind.ENDED:
                return msgspec.json.decode(content, type=Ended)
        raise PeerGoneError("the sandbox has stopped")

    def _exit(self, ended: Ended) -> None:
        if ended.failure is not None:
            raise PeerGoneError(ended.failure)
        if ended.signal is not None:
            self._channel.exit_with_signal(ended.signal)
        else:
            self._channel.exit(ended.code or 0)


class PortSession(_Relayed, asyncssh.SSHTCPSession[bytes]):
    """A connection to a port of the sandbox."""

    _channel: asyncssh.SSHTCPChannel[bytes]

    def __init__(self, host: Host, connection: AgentConnection) -> None:
        super().__init__(host)
        self._connection = connection

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Note the channel."""
        self._channel = chan
        self._relay = Relay(chan)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hang up on a program whose client is gone."""
        self._connection.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass bytes on."""
        self._relay.put(data, credit=len(data))

    def eof_received(self) -> bool:
        """Pass on that there is no more to come; an answer may follow."""
        self._relay.put(b"")
        return True

    async def _serve(self) -> None:
        try:
            with self._host.used():
                await self._relay.pass_bytes(self._connection)
        except ConnectionError:
            self._channel.abort()
        else:
            self._channel.close()
        finally:
            self._connection.close()


def _size(width: int, height: int) -> Size:
    """Return a size that a terminal can have; zero means that the client does not know."""
    return Size(rows=min(height, 65535) or _ROWS, cols=min(width, 65535) or _COLS)
