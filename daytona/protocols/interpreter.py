"""One run of code in an interpreter, from the client's side: one request out, chunks in, and an end.

The request is one text message. Chunks are JSON objects with a `type`:

    stdout, stderr   `text`: a piece of output
    error            `name`, `value`, `traceback`: the exception that ended the code, which is no failure of the run
    result           `data`: what an expression at the end, or `display`, has to show, by MIME type; our own servers only
    control          `text`: "completed" or "interrupted", the last chunk

How the run ended is in the close code, never in HTTP: 1000 is an end, 4008 a timeout, anything else a failure. Chunks of
other types are a newer server's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import DaytonaConnectionError, DaytonaProcessExecutionTimeoutError
from ..models._base import decoder
from ..models.interpreter import ExecutionError, InterpreterMessage, OutputMessage, RichResult
from .messages import Binary, Closed, Lost, Text

if TYPE_CHECKING:
    from ..models.interpreter import InterpreterEvent
    from .messages import Event

__all__ = ["TIMED_OUT", "Run"]

TIMED_OUT: Final = 4008
FINE: Final = (1000, 1005)  # 1005: closed without a code

_decode = decoder(InterpreterMessage).decode


class Run:
    """The chunks of one run, put together and understood."""

    def __init__(self) -> None:
        self.ended = False
        """Whether the run is over, and well."""
        self._completed = False
        self._pieces: list[bytes] = []

    def receive(self, event: Event) -> InterpreterEvent | None:
        """Return what *event* completes, None when that is nothing to tell.

        Raises:
            DaytonaProcessExecutionTimeoutError: The code took longer than it was given.
            DaytonaConnectionError: The server refused the code, lost the interpreter, or broke the rules.
        """
        match event:
            case Text() | Binary():
                self._pieces.append(event.data.encode() if isinstance(event.data, str) else event.data)
                return self._chunk() if event.last else None
            case Closed():
                self._close(event.code, event.reason)
            case Lost():
                if not self._completed:
                    raise DaytonaConnectionError("the connection was lost before the code had ended")
                self.ended = True
            case _:
                pass
        return None

    def _chunk(self) -> InterpreterEvent | None:
        data = b"".join(self._pieces)
        self._pieces.clear()
        try:
            chunk = _decode(data)
        except msgspec.DecodeError as error:
            raise DaytonaConnectionError(f"the interpreter sent what is no chunk: {error}") from error
        match chunk.type:
            case "stdout" | "stderr":
                return OutputMessage(output=chunk.text, stream=chunk.type)
            case "error":
                return ExecutionError(name=chunk.name, value=chunk.value, traceback=chunk.traceback)
            case "result":
                return RichResult(data=chunk.data)
            case "control":
                self._completed = chunk.text == "completed"
            case _:
                pass
        return None

    def _close(self, code: int, reason: str) -> None:
        if code == TIMED_OUT:
            raise DaytonaProcessExecutionTimeoutError(
                "the code took longer than its timeout and was interrupted"
            )
        if code not in FINE:
            said = reason or "the interpreter closed the connection"
            raise DaytonaConnectionError(f"{said} (close code {code})")
        self.ended = True
