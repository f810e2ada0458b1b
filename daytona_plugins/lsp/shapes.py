"""Answers of language servers in one shape each, whichever of its shapes the protocol allows was used.

These few are written by hand: the package that has the types of the whole protocol takes longer to import than all of
this client, and needs two more packages. `request` gives everything else as JSON has it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daytona.models.lsp import (
    LspCodeAction,
    LspHover,
    LspLocation,
    LspRange,
    LspTextEdit,
    LspWorkspaceEdit,
)

__all__ = ["Actions", "Edit", "Hover", "Places", "code_action", "hover", "place", "workspace_edit"]


class Marked(msgspec.Struct):
    """A text with its language, or with its kind of markup."""

    value: str
    language: str | None = None


class Hover(msgspec.Struct):
    """What is known about a word, in any of three shapes."""

    contents: str | Marked | list[str | Marked]
    range: LspRange | None = None


class Place(msgspec.Struct, rename="camel"):
    """A location, or a link to one."""

    uri: str | None = None
    range: LspRange | None = None
    target_uri: str | None = None
    target_selection_range: LspRange | None = None


class Versioned(msgspec.Struct):
    """A document of some version."""

    uri: str


class DocumentEdit(msgspec.Struct, rename="camel"):
    """Changes of one document; one that is made, renamed or deleted instead has no `edits`."""

    text_document: Versioned | None = None
    edits: list[LspTextEdit] = []


class Edit(msgspec.Struct, rename="camel"):
    """Changes of documents, in either of two shapes."""

    changes: dict[str, list[LspTextEdit]] | None = None
    document_changes: list[DocumentEdit] | None = None


class Command(msgspec.Struct):
    """What a server does by itself when it is told to."""

    command: str


class Action(msgspec.Struct):
    """A code action, or just a command with a title."""

    title: str
    kind: str | None = None
    edit: Edit | None = None
    command: str | Command | None = None


Places: TypeAlias = Place | list[Place] | None
Actions: TypeAlias = list[Action] | None


def hover(found: Hover) -> LspHover:
    """Return a hover with one text."""
    parts = found.contents if isinstance(found.contents, list) else [found.contents]
    return LspHover(text="\n\n".join(filter(None, map(_markdown, parts))), range=found.range)


def _markdown(part: str | Marked) -> str:
    if isinstance(part, str):
        return part
    return f"```{part.language}\n{part.value}\n```" if part.language else part.value


def place(found: Place) -> LspLocation:
    """Return a location."""
    return LspLocation(
        uri=found.uri or found.target_uri or "", range=found.range or found.target_selection_range
    )


def workspace_edit(found: Edit) -> LspWorkspaceEdit:
    """Return changes by document."""
    changes = dict(found.changes or {})
    for document in found.document_changes or []:
        if document.text_document is not None:
            changes.setdefault(document.text_document.uri, []).extend(document.edits)
    return LspWorkspaceEdit(changes=changes)


def code_action(found: Action) -> LspCodeAction:
    """Return a code action with the name of its command."""
    command = found.command.command if isinstance(found.command, Command) else found.command
    edit = workspace_edit(found.edit) if found.edit is not None else None
    return LspCodeAction(title=found.title, kind=found.kind, edit=edit, command=command)
