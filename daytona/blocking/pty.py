"""Terminals: a program with a screen and a keyboard, at the other end of a WebSocket, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.pty`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import Self

from collections.abc import Callable
from daytona.models.pty import PtyResult, PtySessionInfo, PtySize
from daytona.service import BlockingService, step
from daytona.services.pty import AsyncPtyHandle, CONNECT_TIMEOUT
from types import TracebackType

__all__ = ["PtyHandle"]


class PtyHandle(BlockingService[AsyncPtyHandle]):
    """A terminal that this program is attached to.

    Output goes to `on_data` as it arrives or, without one, to whoever iterates over the handle or awaits `wait`. Closing
    the handle detaches from the terminal and leaves its program running; use `kill` to end the program.
    """

    @property
    def session_id(self) -> str:
        """The name of the terminal."""
        return self._core.session_id

    @property
    def exit_code(self) -> int | None:
        """The exit code of the program; None while it is running, or if it is unknown."""
        return self._core.exit_code

    @property
    def error(self) -> str | None:
        """Why the program or the connection ended; None if there is nothing to report."""
        return self._core.error

    def is_connected(self) -> bool:
        """Return whether, as far as is known, the program is running and this handle is attached to it."""
        return self._core.is_connected()

    def send_input(self, data: str | bytes) -> None:
        """Send input to the terminal; lines end with a newline, and `chr(3)` is Ctrl-C.

        Raises:
            DaytonaConnectionError: The program has ended, or the connection is gone.
        """
        step(self._core.send_input(data))

    def write(self, data: str | bytes) -> None:
        """Send input to the terminal; an alias of `send_input`."""
        step(self._core.write(data))

    def resize(self, pty_size: PtySize) -> PtySessionInfo:
        """Change the size of the terminal; its program receives SIGWINCH."""
        return step(self._core.resize(pty_size))

    def kill(self) -> None:
        """End the program and everything it started; `wait` then returns exit code 137."""
        step(self._core.kill())

    def wait_for_connection(self, timeout: float | None = CONNECT_TIMEOUT) -> None:
        """Wait until the terminal is attached, which it already is when a `Process` returns it; output is buffered.

        Raises:
            DaytonaTimeoutError: It took longer than *timeout* seconds.
            DaytonaConnectionError: There is no such terminal.
        """
        step(self._core.wait_for_connection(timeout))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return step(self._core.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def wait(self, on_data: Callable[[bytes], None] | None = None, timeout: float | None = None) -> PtyResult:
        """Wait until the program ends and return how it ended; after *timeout* seconds, return what is known by then.

        Args:
            on_data: Called with the output from now on; if none was given, neither here nor before, output is discarded.
            timeout: Seconds; None or 0 means no limit.
        """
        return step(self._core.wait(on_data, timeout))

    def disconnect(self) -> None:
        """Detach from the terminal; its program keeps running. May be called more than once."""
        step(self._core.disconnect())

    def close(self) -> None:
        """Detach from the terminal; an alias of `disconnect`."""
        step(self._core.close())

    def __enter__(self) -> Self:
        step(self._core.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        step(self._core.__aexit__(kind, error, trace))
