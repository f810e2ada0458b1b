"""What language servers in a sandbox are asked, and answer."""

from __future__ import annotations

from dataclasses import dataclass

from daytona.models._base import Model, Request


@dataclass
class LspCompletionPosition:
    """A place in a document, counted from zero."""

    line: int
    character: int


class LspPosition(Request, frozen=True):
    """A place in a document, counted from zero."""

    line: int
    character: int


class LspServerRequest(Request, frozen=True):
    """Asks for the server of a project."""

    language_id: str
    path_to_project: str


class LspStartRequest(LspServerRequest, frozen=True):
    """Asks for the server of a project to run."""

    command: list[str] | None = None
    """How it is started, for platforms that take that."""


class LspDocumentRequest(LspServerRequest, frozen=True):
    """Says something about a document."""

    uri: str


class CompletionContext(Request, frozen=True):
    """What made the editor ask."""

    trigger_kind: int
    trigger_character: str | None = None


class LspCompletionParams(LspDocumentRequest, frozen=True):
    """Asks what could be written at a place."""

    position: LspPosition
    context: CompletionContext | None = None


class CompletionItem(Model, frozen=True):
    """Something that could be written."""

    label: str
    kind: int | None = None
    detail: str | None = None
    documentation: str | dict[str, object] | None = None
    sort_text: str | None = None
    filter_text: str | None = None
    insert_text: str | None = None


class CompletionList(Model, frozen=True):
    """What could be written, and whether there is more."""

    items: list[CompletionItem] = []
    is_incomplete: bool = False


class LspRange(Model, frozen=True):
    """A piece of a document."""

    start: LspPosition
    end: LspPosition


class LspLocation(Model, frozen=True):
    """A piece of some document."""

    uri: str = ""
    range: LspRange | None = None


class LspSymbol(Model, frozen=True):
    """Something with a name, and where it is."""

    name: str
    kind: int = 0
    location: LspLocation | None = None
