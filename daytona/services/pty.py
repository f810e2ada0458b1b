"""Terminals: a program with a screen and a keyboard, at the other end of a WebSocket."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ..errors import (
    DaytonaConnectionError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from ..models.pty import (
    PtyCreateRequest,
    PtyCreateResponse,
    PtyResizeRequest,
    PtyResult,
    PtySessionInfo,
    PtySize,
)
from ..protocols.pty import DEFAULT_COLS, DEFAULT_ROWS, EXIT_CONTROL, Terminal, envs_token, frames
from ..service import Api, AsyncService, operation, seconds, segment
from ._callbacks import tell

if TYPE_CHECKING:
    from ..protocols.messages import Event
    from ..transport._driver import Background
    from ..transport.websocket import WebSocketStream

__all__ = ["AsyncPtyHandle", "attach", "creation", "open_terminal", "resize"]

CONNECT_TIMEOUT: Final = 10.0
LAST_WORDS_TIMEOUT: Final = 1.0
"""Seconds that a server which has reported the end of the program has to close the connection."""

logger = logging.getLogger(__name__)


class AsyncPtyHandle(AsyncService):
    """A terminal that this program is attached to.

    Output goes to `on_data` as it arrives or, without one, to whoever iterates over the handle or awaits `wait`. Closing
    the handle detaches from the terminal and leaves its program running; use `kill` to end the program.
    """

    def __init__(
        self,
        api: Api,
        socket: WebSocketStream,
        session_id: str,
        on_data: Callable[[bytes], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(api)
        self._socket = socket
        self._session_id = session_id
        self._on_data = on_data
        self._terminal = Terminal()
        self._kept: deque[bytes] = deque()
        self._answer: Awaitable[None] | None = None
        self._raised: BaseException | None = None
        self._reading = False
        self._pump: Background | None = None
        self._failure: Exception | None = None

    @property
    def session_id(self) -> str:
        """The name of the terminal."""
        return self._session_id

    @property
    def exit_code(self) -> int | None:
        """The exit code of the program; None while it is running, or if it is unknown."""
        return self._terminal.exit_code

    @property
    def error(self) -> str | None:
        """Why the program or the connection ended; None if there is nothing to report."""
        return self._terminal.error

    def is_connected(self) -> bool:
        """Return whether, as far as is known, the program is running and this handle is attached to it."""
        return self._terminal.running

    # -- Input ----------------------------------------------------------------------------------------------------

    @operation("Failed to send input to PTY: ")
    async def send_input(self, data: str | bytes) -> None:
        """Send input to the terminal; lines end with a newline, and `chr(3)` is Ctrl-C.

        Raises:
            DaytonaConnectionError: The program has ended, or the connection is gone.
        """
        if not self._terminal.running:
            raise DaytonaConnectionError(f"PTY session {self._session_id!r} is not connected")
        try:
            for frame in frames(data.encode() if isinstance(data, str) else data):
                await self._socket.send_binary(frame)
        except ConnectionError as error:
            raise DaytonaConnectionError(f"PTY session {self._session_id!r} has ended") from error

    async def write(self, data: str | bytes) -> None:
        """Send input to the terminal; an alias of `send_input`."""
        await self.send_input(data)

    @operation("Failed to resize PTY: ")
    async def resize(self, pty_size: PtySize) -> PtySessionInfo:
        """Change the size of the terminal; its program receives SIGWINCH."""
        return await resize(self._api, self._session_id, pty_size)

    @operation("Failed to kill PTY: ")
    async def kill(self) -> None:
        """End the program and everything it started; `wait` then returns exit code 137."""
        await self._api.call("DELETE", f"/process/pty/{segment(self._session_id)}")

    # -- Output ---------------------------------------------------------------------------------------------------

    async def wait_for_connection(self, timeout: float | None = CONNECT_TIMEOUT) -> None:
        """Wait until the terminal is attached, which it already is when a `Process` returns it; output is buffered.

        Raises:
            DaytonaTimeoutError: It took longer than *timeout* seconds.
            DaytonaConnectionError: There is no such terminal.
        """
        terminal = self._terminal
        try:
            with self._api.transport.deadline(timeout):
                while not (terminal.connected or terminal.ended):
                    await self._listen(self._keep)
        except DaytonaTimeoutError as error:
            raise DaytonaTimeoutError("PTY connection timeout") from error
        if not terminal.connected and terminal.exit_code is None:
            raise DaytonaConnectionError(terminal.error or "the server closed the connection")
        if self._pump is None and self._on_data is not None:
            self._pump = self._api.transport.start_soon(self._run_pump)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._on_data is not None:
            raise DaytonaValidationError(f"The output of PTY session {self._session_id!r} goes to on_data")
        while not self._kept and not self._terminal.ended:
            await self._listen(self._keep)
        if not self._kept:
            raise StopAsyncIteration
        return self._kept.popleft()

    async def wait(
        self,
        on_data: Callable[[bytes], Awaitable[None] | None] | None = None,
        timeout: float | None = None,
    ) -> PtyResult:
        """Wait until the program ends and return how it ended; after *timeout* seconds, return what is known by then.

        Args:
            on_data: Called with the output from now on; if none was given, neither here nor before, output is discarded.
            timeout: Seconds; None or 0 means no limit.
        """
        self._on_data = on_data or self._on_data
        if self._pump is not None:
            await self._pump.wait(seconds(timeout))
        else:
            await self._deliver(timeout)
        if self._failure is not None:
            raise self._failure
        return PtyResult(self.exit_code, self.error)

    async def _deliver(self, timeout: float | None) -> None:
        """Hand over output until the end; the limit does not count what `on_data` takes."""
        limit = self._api.transport.deadline(timeout)
        take = self._keep if seconds(timeout) else self._hand_over
        await self._settle()
        while not self._at_end:
            try:
                with limit:
                    await self._listen(take)
            except DaytonaTimeoutError:
                return
            await self._settle()

    def _hand_over(self, event: Event) -> bool:
        """Give `on_data` the output in *event*; return whether the next may come without anything being awaited."""
        if (chunk := self._terminal.receive(event)) and self._on_data is not None:
            try:
                self._answer = self._on_data(chunk)
            except (
                BaseException
            ) as error:  # `_settle` raises it: here it would be taken for one of the connection's
                self._raised = error
                return False
        return self._answer is None and not (self._terminal.exited or self._terminal.ended)

    async def _settle(self) -> None:
        """Let `on_data` have what was kept, and end; what it raises ends the connection, and is raised to who waits."""
        answer, self._answer = self._answer, None
        raised, self._raised = self._raised, None
        try:
            if raised is not None:
                raise raised
            if answer is not None:
                await answer
            while self._kept:
                await tell(self._on_data, self._kept.popleft())
        except BaseException:
            self._hang_up()
            raise

    @property
    def _at_end(self) -> bool:
        return self._terminal.ended and not self._kept

    def _keep(self, event: Event) -> bool:
        """Keep the output in *event* for who asks for it."""
        if chunk := self._terminal.receive(event):
            self._kept.append(chunk)
        return False

    async def _listen(self, take: Callable[[Event], bool]) -> None:
        """Have *take* called with each message until it returns False; a connection that breaks is the end."""
        if self._reading:
            raise DaytonaValidationError(
                f"The output of PTY session {self._session_id!r} is being read elsewhere"
            )
        self._reading = True
        try:
            if not self._terminal.exited:
                await self._socket.deliver(take)
            else:
                with self._api.transport.deadline(LAST_WORDS_TIMEOUT):
                    await self._socket.deliver(take)
        except DaytonaTimeoutError:
            if not self._terminal.exited:
                raise
            self._terminal.lose(None)
        except DaytonaConnectionError as error:
            self._terminal.lose(error.message)
        finally:
            self._reading = False
            if self._terminal.ended:
                self._socket.abort()

    async def _run_pump(self) -> None:
        """Hand over output beside the caller, where there is an event loop that can do that."""
        try:
            await self._deliver(None)
        except Exception as error:  # the outermost frame of a task; `wait` raises it
            self._failure = error
            logger.warning("on_data of PTY session %r failed", self._session_id, exc_info=True)
        finally:
            self._hang_up()

    # -- The end --------------------------------------------------------------------------------------------------

    async def disconnect(self) -> None:
        """Detach from the terminal; its program keeps running. May be called more than once."""
        self._terminal.lose(None)
        await self._socket.close()
        if self._pump is not None:
            await self._pump.stop()

    async def close(self) -> None:
        """Detach from the terminal; an alias of `disconnect`."""
        await self.disconnect()

    def _hang_up(self) -> None:
        self._terminal.lose(None)
        self._socket.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()


# -- Opening ----------------------------------------------------------------------------------------------------------


async def open_terminal(
    api: Api,
    request: PtyCreateRequest,
    on_data: Callable[[bytes], Awaitable[None] | None] | None,
) -> AsyncPtyHandle:
    """Return a new terminal, made and attached in one round trip, or in two where the server is an older one."""
    name = request.id or ""
    query = {"id": name, "cols": request.cols, "rows": request.rows, "cwd": request.cwd or None}
    offers = [EXIT_CONTROL, *([envs_token(request.envs)] if request.envs else [])]
    try:
        return await _attached(api, name, "/process/pty/create-connect", on_data, query, offers)
    except DaytonaNotFoundError:
        await api.call("POST", "/process/pty", json=request, into=PtyCreateResponse)
    try:
        return await attach(api, name, on_data)
    except DaytonaError:
        with suppress(DaytonaError):  # it is of no use to anybody
            await api.call("DELETE", f"/process/pty/{segment(name)}")
        raise


async def attach(
    api: Api, session_id: str, on_data: Callable[[bytes], Awaitable[None] | None] | None
) -> AsyncPtyHandle:
    """Return a terminal that exists already."""
    path = f"/process/pty/{segment(session_id)}/connect"
    return await _attached(api, session_id, path, on_data, None, [EXIT_CONTROL])


async def _attached(
    api: Api,
    session_id: str,
    path: str,
    on_data: Callable[[bytes], Awaitable[None] | None] | None,
    query: dict[str, str | int | None] | None,
    offers: list[str],
) -> AsyncPtyHandle:
    with api.transport.deadline(CONNECT_TIMEOUT):
        socket = await api.transport.open_websocket(await api.endpoint(), path, query, offers)
        handle = AsyncPtyHandle(api, socket, session_id, on_data)
        try:
            await handle.wait_for_connection()
        except BaseException:
            socket.abort()
            raise
    return handle


def creation(
    name: str, cwd: str | None, envs: dict[str, str] | None, pty_size: PtySize | None
) -> PtyCreateRequest:
    """Return the request for a terminal that starts its program when the first client is there to see it."""
    size = pty_size or PtySize(rows=DEFAULT_ROWS, cols=DEFAULT_COLS)
    return PtyCreateRequest(id=name, cwd=cwd, envs=envs, cols=size.cols, rows=size.rows, lazy_start=True)


async def resize(
    api: Api, session_id: str, pty_size: PtySize, timeout: float | None = None
) -> PtySessionInfo:
    """Change the size of a terminal."""
    return await api.call(
        "POST",
        f"/process/pty/{segment(session_id)}/resize",
        json=PtyResizeRequest(cols=pty_size.cols, rows=pty_size.rows),
        into=PtySessionInfo,
        timeout=timeout,
    )
