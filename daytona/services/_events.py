"""What the platform tells about sandboxes, for those who wait for one; read inside their waits, by one of them for all.

An event is a hint that there is something to see, not what is believed: whoever waits looks then, as it would have done a
little later anyway. So nothing depends on events being complete or in order, and a platform without any is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DaytonaError, DaytonaTimeoutError
from ..protocols import socketio
from ..protocols.messages import Closed, Lost, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..service import Api
    from ..transport.websocket import WebSocketStream

__all__ = ["EventFeed"]

CONNECT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 30.0
"""How long a platform that would not tell is left alone."""


class EventFeed:
    """The events of one client; its connection is open while somebody waits."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._socket: WebSocketStream | None = None
        self._waiting: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._refused_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the platform tells what happens."""
        return self._socket is not None

    def join(self, sandbox_id: str) -> None:
        """Begin to wait for a sandbox."""
        self._waiting[sandbox_id] = self._waiting.get(sandbox_id, 0) + 1

    def leave(self, sandbox_id: str) -> None:
        """Wait for it no longer; the last one to leave hangs up."""
        self._waiting[sandbox_id] -= 1
        if not self._waiting[sandbox_id]:
            del self._waiting[sandbox_id]
            self._told.pop(sandbox_id, None)
        if not self._waiting:
            self._hang_up()

    def told(self, sandbox_id: str) -> int:
        """Return how often the platform has said something about a sandbox that is waited for."""
        return self._told.get(sandbox_id, 0)

    async def open(self) -> bool:
        """Return whether a connection was made now: what happened before it was not told."""
        if self._socket is not None or self._is_left_alone():
            return False
        return await self._api.transport.shared(("connect", self), self._connect)

    async def wait(self, sandbox_id: str, before: int, seconds: float) -> None:
        """Wait until more is told about a sandbox than *before*, or *seconds* have passed."""
        transport = self._api.transport
        try:
            with transport.deadline(seconds):
                while self._socket is not None and self.told(sandbox_id) == before:
                    await transport.shared(("read", self), self._read)
                if self._socket is None:
                    await transport.sleep(seconds)
        except DaytonaTimeoutError:
            pass  # time to look; if it was the caller's deadline that passed, looking says so

    def _is_left_alone(self) -> bool:
        return self._refused_at is not None and self._api.transport.time() - self._refused_at < RETRY_SECONDS

    async def _connect(self, _go_alone: Callable[[], None]) -> bool:
        try:
            with self._api.transport.deadline(CONNECT_SECONDS):
                self._socket = await self._let_in()
        except DaytonaError:
            self._refused_at = self._api.transport.time()
        return self._socket is not None

    async def _let_in(self) -> WebSocketStream | None:
        endpoint = await self._api.endpoint()
        socket = await self._api.transport.open_websocket(endpoint, socketio.PATH, socketio.QUERY)
        try:
            while True:
                event = await socket.receive()
                said = socketio.parse(event.data) if isinstance(event, Text) else socketio.Closed()
                if isinstance(said, socketio.Opened):
                    await socket.send_text(socketio.connect(endpoint.token))
                elif isinstance(said, socketio.Accepted):
                    return socket
                elif isinstance(said, (socketio.Refused, socketio.Closed)):
                    raise DaytonaError("the platform tells this client nothing")
        except BaseException:
            socket.abort()
            raise

    async def _read(self, _go_alone: Callable[[], None]) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            for event in await socket.receive_ready():
                if isinstance(event, Text):
                    await self._note(socketio.parse(event.data), socket)
                elif isinstance(event, (Closed, Lost)):
                    self._hang_up()
        except DaytonaTimeoutError:
            raise  # nobody failed; another one goes on reading
        except DaytonaError:
            self._hang_up()

    async def _note(self, said: socketio.Message, socket: WebSocketStream) -> None:
        if isinstance(said, socketio.Event):
            subject = socketio.subject_of(said)
            if subject in self._waiting:
                self._told[subject] = self.told(subject) + 1
        elif isinstance(said, socketio.Pinged):
            await socket.send_text(socketio.PONG)
        elif isinstance(said, socketio.Closed):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.abort()
            self._socket = None
