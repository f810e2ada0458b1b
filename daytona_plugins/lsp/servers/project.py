"""A project and its language server: started, kept up to date with the files on disk, and asked."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import quote, unquote

from daytona_plugins.local.agent.errors import bad_request, from_os_error
from daytona_plugins.local.web import HTTPError
from daytona_plugins.lsp.registry import dialect, how_to_install, suffixes
from daytona_plugins.lsp.servers.answers import (
    Completions,
    Position,
    Symbol,
    decode_completions,
    decode_symbols,
    flat,
)
from daytona_plugins.lsp.servers.files import changes, look
from daytona_plugins.lsp.servers.finding import find_program, find_servers
from daytona_plugins.lsp.servers.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daytona_plugins.local.agent.reaper import Reaper

DOCUMENT_LIMIT: Final = 16 * 1024 * 1024
_SCHEME: Final = "file://"
_SYMBOL_KINDS: Final = list(range(1, 27))

CAPABILITIES: Final = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {
        "synchronization": {},
        "completion": {
            "contextSupport": True,
            "completionItem": {"documentationFormat": ["plaintext", "markdown"], "snippetSupport": False},
        },
        "documentSymbol": {
            "hierarchicalDocumentSymbolSupport": False,
            "symbolKind": {"valueSet": _SYMBOL_KINDS},
        },
    },
    "workspace": {
        "symbol": {"symbolKind": {"valueSet": _SYMBOL_KINDS}},
        "workspaceFolders": True,
        "didChangeWatchedFiles": {"dynamicRegistration": True},
    },
}
"""What we can make use of; servers leave out the rest."""


class Document(NamedTuple):
    """A document as the server knows it."""

    version: int
    seen: tuple[int, ...]
    """What told the file's content from others when it was read."""


class Project:
    """A directory with a language server of its own."""

    def __init__(self, language: str, root: str, server: ServerProcess) -> None:
        self.root = root
        self._language = language
        self._server = server
        self._documents: dict[str, Document] = {}
        self._files = look(root, suffixes(language))

    @classmethod
    async def open(cls, reaper: Reaper, language: str, root: str, command: Sequence[str]) -> Self:
        """Return a project whose server is ready: *command*, or the best that is there when that is empty.

        Raises:
            HTTPError: There is no server for the language, or no such directory.
            ServerEndedError: The server has ended instead.
            RefusedError: The server refuses to serve.
        """
        server = _start_server(reaper, language, root, command)
        await server.open()
        try:
            await server.ask("initialize", _introduction(root), bytes)
        except BaseException:
            server.kill()
            raise
        server.tell("initialized", {})
        return cls(language, root, server)

    @property
    def ended(self) -> bool:
        """Whether the server answers no more."""
        return self._server.ended

    async def close(self) -> None:
        """End the server."""
        await self._server.end()

    def open_document(self, path: str) -> str:
        """Let the server know what the file at *path* holds now, and return its URI.

        Raises:
            HTTPError: There is no such file, or it is no text to work on.
        """
        uri = to_uri(path)
        known = self._documents.get(uri)
        try:
            seen = _look(path)
            if known is None or known.seen != seen:
                self._send(uri, path, known, seen)
        except OSError as error:
            self.close_document(path)
            raise from_os_error(error, path) from error
        return uri

    def _send(self, uri: str, path: str, known: Document | None, seen: tuple[int, ...]) -> None:
        text = _read(path)
        if known is None:
            item = {"uri": uri, "languageId": dialect(self._language, path), "version": 1, "text": text}
            self._server.tell("textDocument/didOpen", {"textDocument": item})
        else:
            item = {"uri": uri, "version": known.version + 1}
            changes = {"textDocument": item, "contentChanges": [{"text": text}]}
            self._server.tell("textDocument/didChange", changes)
        self._documents[uri] = Document(known.version + 1 if known else 1, seen)

    def close_document(self, path: str) -> None:
        """Let the server forget a document; one that is not open stays so."""
        uri = to_uri(path)
        if self._documents.pop(uri, None) is not None:
            self._server.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def tell_changes(self) -> None:
        """Let the server know which files of the project are not what they were."""
        files = look(self.root, suffixes(self._language))
        found = [{"uri": to_uri(path), "type": how} for path, how in changes(self._files, files)]
        self._files = files
        if found:
            self._server.tell("workspace/didChangeWatchedFiles", {"changes": found})

    async def completions(
        self, path: str, position: Position, context: dict[str, object] | None
    ) -> Completions:
        """Return what could be written at a place."""
        self.tell_changes()
        params: dict[str, object] = {"textDocument": {"uri": self.open_document(path)}, "position": position}
        if context is not None:
            params["context"] = context
        return await self._server.ask("textDocument/completion", params, decode_completions)

    async def document_symbols(self, path: str) -> list[Symbol]:
        """Return what a document defines."""
        uri = self.open_document(path)
        params = {"textDocument": {"uri": uri}}
        return list(flat(await self._server.ask("textDocument/documentSymbol", params, decode_symbols), uri))

    async def workspace_symbols(self, query: str) -> list[Symbol]:
        """Return what the project defines under names like *query*."""
        self.tell_changes()
        return list(flat(await self._server.ask("workspace/symbol", {"query": query}, decode_symbols)))


def _start_server(reaper: Reaper, language: str, root: str, command: Sequence[str]) -> ServerProcess:
    if not os.path.isdir(root):
        raise bad_request(f"there is no directory {root}")
    return _start_given(reaper, command, root) if command else _start_best(reaper, language, root)


def _start_given(reaper: Reaper, command: Sequence[str], root: str) -> ServerProcess:
    program = find_program(command[0], root)
    if program is None:
        raise HTTPError(
            501, f"there is no program {command[0]} in this sandbox", code="LSP_SERVER_NOT_INSTALLED"
        )
    try:
        return ServerProcess(reaper, [program, *command[1:]], root)
    except OSError as error:
        raise bad_request(f"{program} cannot be started: {os.strerror(error.errno or 0)}") from error


def _start_best(reaper: Reaper, language: str, root: str) -> ServerProcess:
    problems: list[str] = []
    for command in find_servers(language, root):
        try:
            return ServerProcess(reaper, command, root)
        except OSError as error:  # made for another machine or another C library, say
            problems.append(f"; {command[0]} cannot be started: {os.strerror(error.errno or 0)}")
    raise HTTPError(
        501,
        f"there is no language server for {language} in this sandbox; "
        f"install one with {how_to_install(language)}{''.join(problems)}",
        code="LSP_SERVER_NOT_INSTALLED",
    )


def _introduction(root: str) -> dict[str, object]:
    uri = to_uri(root)
    return {
        "processId": os.getpid(),
        "clientInfo": {"name": "daytona"},
        "rootPath": root,
        "rootUri": uri,
        "workspaceFolders": [{"uri": uri, "name": os.path.basename(root) or root}],
        "capabilities": CAPABILITIES,
    }


def _look(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise bad_request(f"{path} is not a file")
    if status.st_size > DOCUMENT_LIMIT:
        raise bad_request(f"{path} is too large for a language server")
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


def to_uri(path: str) -> str:
    """Return the URI of a file, as the protocol wants it."""
    return _SCHEME + quote(os.fsencode(path))


def to_path(uri: str, project: str, work_dir: str) -> str:
    """Return the path a client means by *uri*: `file://` before a path that is not quoted, or just the path.

    A relative path is one in the project, unless it says so itself: clients join paths with a project's relative path.
    """
    path = uri.removeprefix(_SCHEME)
    if not path.startswith("/"):
        inside = os.path.normpath(path).startswith(os.path.normpath(project) + "/")
        path = os.path.join(work_dir, path if inside else os.path.join(project, path))
    path = os.path.normpath(path)
    return path if os.path.exists(path) else unquote(path)
