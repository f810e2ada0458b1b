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


class LspHover(Model, frozen=True):
    """What is known about the word at a place."""

    text: str
    """As Markdown."""
    range: LspRange | None = None


class LspTextEdit(Model, frozen=True):
    """A piece of a document, and what it becomes."""

    range: LspRange
    new_text: str


class LspWorkspaceEdit(Model, frozen=True):
    """Changes of documents, by their URIs."""

    changes: dict[str, list[LspTextEdit]] = {}


class LspDiagnostic(Model, frozen=True):
    """Something that a server finds wrong."""

    range: LspRange
    message: str
    severity: int | None = None
    """1 is an error, 2 a warning, 3 information, 4 a hint."""
    code: int | str | None = None
    source: str | None = None


class LspCodeAction(Model, frozen=True):
    """Something that a server can do about a piece of a document."""

    title: str
    kind: str | None = None
    edit: LspWorkspaceEdit | None = None
    command: str | None = None
