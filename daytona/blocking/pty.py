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

    Its output goes to `on_data` as it comes, or else to who iterates over the handle or awaits `wait`. Closing the
    handle detaches from the terminal, and the program in it runs on: `kill` ends that.
    """

    @property
    def session_id(self) -> str:
        """The name of the terminal."""
        return self._core.session_id

    @property
    def exit_code(self) -> int | None:
        """The exit code of the program, None while it runs or when nobody knows it."""
        return self._core.exit_code

    @property
    def error(self) -> str | None:
        """What ended the program or the connection, None when there is nothing to tell."""
        return self._core.error

    def is_connected(self) -> bool:
        """Return whether the program was running, and we attached to it, when we last heard of it."""
        return self._core.is_connected()

    def send_input(self, data: str | bytes) -> None:
        """Type *data* into the terminal: a line ends with a newline, and `chr(3)` is Ctrl-C.

        Raises:
            DaytonaConnectionError: The program has ended, or the connection is gone.
        """
        step(self._core.send_input(data))

    def write(self, data: str | bytes) -> None:
        """Type *data* into the terminal; another name of `send_input`."""
        step(self._core.write(data))

    def resize(self, pty_size: PtySize) -> PtySessionInfo:
        """Change the size of the terminal; the program in it is told by SIGWINCH."""
        return step(self._core.resize(pty_size))

    def kill(self) -> None:
        """End the program and everything it started; `wait` then returns exit code 137."""
        step(self._core.kill())

    def wait_for_connection(self, timeout: float | None = CONNECT_TIMEOUT) -> None:
        """Wait until the terminal is attached, as it is when a `Process` hands it out; output is kept for later.

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
        """Return how the program ended, once it has; after *timeout* seconds what is known by then.

        Args:
            on_data: Gets the output from now on; without one, and without one given before, it is dropped.
            timeout: Seconds; None or 0 means no limit.
        """
        return step(self._core.wait(on_data, timeout))

    def disconnect(self) -> None:
        """Detach from the terminal; the program in it runs on. May be called twice."""
        step(self._core.disconnect())

    def close(self) -> None:
        """Detach from the terminal; another name of `disconnect`."""
        step(self._core.close())

    def __enter__(self) -> Self:
        step(self._core.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        step(self._core.__aexit__(kind, error, trace))
