"""Python that keeps its state between runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from daytona.models._base import Model, Request
from daytona.models._records import Record


class CreateContextRequest(Request, frozen=True):
    """Asks for an interpreter of one's own."""

    cwd: str | None = None
    language: str | None = None


class InterpreterContext(Model, frozen=True):
    """An interpreter of one's own."""

    id: str
    cwd: str = ""
    language: str = ""
    created_at: str = ""
    active: bool = False


class ListContextsResponse(Model, frozen=True):
    """The interpreters of a sandbox."""

    contexts: list[InterpreterContext] = []


class InterpreterExecuteRequest(Request, frozen=True):
    """Code for an interpreter; a timeout of 0 means none."""

    code: str
    context_id: str | None = None
    envs: dict[str, str] | None = None
    timeout: int | None = None


class InterpreterMessage(Model, frozen=True):
    """Something an interpreter says while it runs code."""

    type: str = ""
    text: str = ""
    name: str = ""
    value: str = ""
    traceback: str = ""
    data: dict[str, str] = {}


@dataclass(kw_only=True)
class OutputMessage(Record):
    """A piece of output."""

    output: str
    stream: Literal["stdout", "stderr"] = "stdout"


@dataclass(kw_only=True)
class ExecutionError(Record):
    """The exception that ended the code."""

    name: str
    value: str
    traceback: str = ""


@dataclass(kw_only=True)
class RichResult(Record):
    """A value as it shows itself, by MIME type: "text/plain" always, "text/html", "image/png" (base64) and so on.

    The embedded platform sends one for the value of an expression at the end of the code, and for each `display(...)`.
    """

    data: dict[str, str]

    @property
    def text(self) -> str:
        """The value as plain text."""
        return self.data.get("text/plain", "")


InterpreterEvent: TypeAlias = OutputMessage | ExecutionError | RichResult
"""What happens while code runs."""


@dataclass(kw_only=True)
class ExecutionResult(Record):
    """What code wrote, and the exception that ended it, if one did."""

    stdout: str = ""
    stderr: str = ""
    error: ExecutionError | None = None
    results: list[RichResult] = field(default_factory=list["RichResult"])
