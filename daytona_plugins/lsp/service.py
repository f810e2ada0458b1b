"""Language servers: what could be written at a place, and what a document or a project defines.

For these questions the dialogue with the server happens inside the sandbox; here a project is named, and its server
started and asked. No toolbox has more questions than these. The others (`hover` and what follows it) are put to a server
of their own, with which the whole dialogue is held from here; that works with every platform.
"""

from __future__ import annotations

import posixpath
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from daytona.models.lsp import (
    CompletionList,
    LspCodeAction,
    LspCompletionParams,
    LspCompletionPosition,
    LspDiagnostic,
    LspDocumentRequest,
    LspHover,
    LspLocation,
    LspPosition,
    LspRange,
    LspServerRequest,
    LspStartRequest,
    LspSymbol,
    LspTextEdit,
    LspWorkspaceEdit,
)
from daytona.service import AsyncService, made_directly, operation, toolbox_of
from daytona_plugins.lsp import shapes
from daytona_plugins.lsp.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from daytona.models.enums import LspLanguageId
    from daytona.service import ApiOrSandbox

__all__ = ["AsyncLspServer"]

PATIENCE: Final = 60.0
"""Seconds within which a question is to be answered when nobody says otherwise."""
POLL: Final = 0.01

_HOVER: Final = cast("type[shapes.Hover | None]", shapes.Hover | None)
_PLACES: Final = cast("type[shapes.Places]", shapes.Places)
_EDIT: Final = cast("type[shapes.Edit | None]", shapes.Edit | None)
_EDITS: Final = cast("type[list[LspTextEdit] | None]", list[LspTextEdit] | None)
_ACTIONS: Final = cast("type[shapes.Actions]", shapes.Actions)
_SYMBOLS: Final = cast("type[list[LspSymbol] | None]", list[LspSymbol] | None)


class AsyncLspServer(AsyncService):
    """The language server of one project in a sandbox; call `start` before anything else.

    Paths are paths in the sandbox. Relative ones are relative to the project, whose own path is relative to the working
    directory.
    A document need not be opened before it is asked about.

    What `hover` and the methods after it ask goes to another process of the server, which is started when it is first
    asked, whether `start` was called or not; `stop` ends that too. Documents are read anew for each question, and one
    question is asked at a time. Lines and characters are counted from zero, characters as UTF-16 does.

    Args:
        language_id: `python`, `typescript` or `javascript`.
        path_to_project: The directory of the project.
        api_client: The sandbox, or the API of its toolbox as services have it (`daytona.service.Api`).
        command: The server program and its arguments; None uses the best one that the sandbox has. The embedded platform
            uses it, for any language; other platforms choose the server themselves.
    """

    @made_directly
    def __init__(
        self,
        language_id: LspLanguageId | str,
        path_to_project: str,
        api_client: ApiOrSandbox,
        *,
        command: Sequence[str] | None = None,
    ) -> None:
        super().__init__(toolbox_of(api_client))
        self._command = list(command) if command is not None else None
        self._language_id = str(language_id)
        self._project = path_to_project
        self._started = False
        self._opened: set[str] = set()
        self._conversation: Conversation | None = None
        self._turn = threading.Lock()  # asked for, never waited for

    @operation("Failed to start LSP server: ")
    async def start(self, request_timeout: float | None = None) -> None:
        """Start the server, if it is not running, and wait until it is ready.

        Raises:
            DaytonaError: The sandbox has no server for the language; the message says what to install.
        """
        wanted = LspStartRequest(
            language_id=self._language_id, path_to_project=self._project, command=self._command
        )
        await self._api.call("POST", "/lsp/start", json=wanted, timeout=request_timeout)
        self._started, self._opened = True, set()

    @operation("Failed to stop LSP server: ")
    async def stop(self, request_timeout: float | None = None) -> None:
        """Stop the server.

        Raises:
            DaytonaLspServerNotInitializedError: It is not running.
        """
        if self._conversation is not None:
            conversation, self._conversation = self._conversation, None
            await conversation.close()
            if not self._started:
                return
        await self._api.call("POST", "/lsp/stop", json=self._server(), timeout=request_timeout)
        self._started = False

    @operation("Failed to open file: ")
    async def did_open(self, path: str, request_timeout: float | None = None) -> None:
        """Open a document in the server, with its current content in the sandbox's file system.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        await self._open(path, request_timeout)

    @operation("Failed to close file: ")
    async def did_close(self, path: str, request_timeout: float | None = None) -> None:
        """Close a document in the server.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
        """
        await self._api.call("POST", "/lsp/did-close", json=self._document(path), timeout=request_timeout)
        self._opened.discard(path)

    @operation("Failed to get symbols from document: ")
    async def document_symbols(self, path: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return the symbols that a document defines (classes, functions, variables), in the order of the text.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        await self._open_once(path, request_timeout)
        query = {**self._query(), "uri": self._uri(path)}
        return (
            await self._api.call(
                "GET", "/lsp/document-symbols", into=_SYMBOLS, query=query, timeout=request_timeout
            )
            or []
        )

    @operation("Failed to get symbols from sandbox: ")
    async def sandbox_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return the symbols of the project whose names resemble *query*.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
        """
        return await self._symbols_like(query, request_timeout)

    @operation("Failed to get symbols from sandbox: ")
    async def workspace_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Deprecated: use `sandbox_symbols`."""
        return await self._symbols_like(query, request_timeout)

    async def _symbols_like(self, query: str, timeout: float | None) -> list[LspSymbol]:
        asked = {"query": query, **self._query()}
        return (
            await self._api.call("GET", "/lsp/workspacesymbols", into=_SYMBOLS, query=asked, timeout=timeout)
            or []
        )

    @operation("Failed to get completions: ")
    async def completions(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> CompletionList:
        """Return the completions at a position, counted from zero: after `foo.`, the attributes of `foo`.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        await self._open_once(path, request_timeout)
        params = LspCompletionParams(
            language_id=self._language_id,
            path_to_project=self._project,
            uri=self._uri(path),
            position=LspPosition(line=position.line, character=position.character),
        )
        return await self._api.call(
            "POST", "/lsp/completions", into=CompletionList, json=params, timeout=request_timeout
        )

    # -- Beyond the toolbox -----------------------------------------------------------------------------------------

    @operation("Failed to get hover: ")
    async def hover(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> LspHover | None:
        """Return information about the symbol at a position; None if there is none.

        Raises:
            DaytonaLspServerNotInitializedError: There is no server for the language, or it has ended.
            DaytonaBadRequestError: The server rejected the request.
            DaytonaFileNotFoundError: There is no such file.
            DaytonaTimeoutError: It took more than *request_timeout* seconds, 60 when that is None.
        """
        async with self._talking(request_timeout) as server:
            params = await _at(server, path, position)
            found = await server.ask("textDocument/hover", params, _HOVER)
        return shapes.hover(found) if found is not None else None

    @operation("Failed to get definition: ")
    async def definition(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> list[LspLocation]:
        """Return where the symbol at a position is defined; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            params = await _at(server, path, position)
            return _places(await server.ask("textDocument/definition", params, _PLACES))

    @operation("Failed to get references: ")
    async def references(
        self,
        path: str,
        position: LspCompletionPosition,
        *,
        include_declaration: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspLocation]:
        """Return where the symbol at a position is used; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            params = await _at(server, path, position)
            params["context"] = {"includeDeclaration": include_declaration}
            return _places(await server.ask("textDocument/references", params, _PLACES))

    @operation("Failed to rename: ")
    async def rename(
        self, path: str, position: LspCompletionPosition, new_name: str, request_timeout: float | None = None
    ) -> LspWorkspaceEdit:
        """Return the changes that rename the symbol at a position everywhere; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            params = {**await _at(server, path, position), "newName": new_name}
            found = await server.ask("textDocument/rename", params, _EDIT)
        return shapes.workspace_edit(found) if found is not None else LspWorkspaceEdit()

    @operation("Failed to get diagnostics: ")
    async def diagnostics(self, path: str, request_timeout: float | None = None) -> list[LspDiagnostic]:
        """Return the problems that the server finds in a document; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            return await server.diagnostics(path)

    @operation("Failed to get code actions: ")
    async def code_action(
        self, path: str, within: LspRange, request_timeout: float | None = None
    ) -> list[LspCodeAction]:
        """Return the actions that the server offers for a range of a document; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            inside = [found for found in await server.diagnostics(path) if _touch(found.range, within)]
            params = {
                "textDocument": {"uri": server.uri(path)},
                "range": within,
                "context": {"diagnostics": [found.to_dict() for found in inside]},
            }
            found = await server.ask("textDocument/codeAction", params, _ACTIONS)
        return [shapes.code_action(action) for action in found or []]

    @operation("Failed to format: ")
    async def format(
        self,
        path: str,
        *,
        tab_size: int = 4,
        insert_spaces: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspTextEdit]:
        """Return the changes that format a document; raises the same errors as `hover`."""
        async with self._talking(request_timeout) as server:
            params = {
                "textDocument": {"uri": await server.open_document(path)},
                "options": {"tabSize": tab_size, "insertSpaces": insert_spaces},
            }
            return await server.ask("textDocument/formatting", params, _EDITS) or []

    @operation("Failed to ask the language server: ")
    async def request(
        self, method: str, params: object = None, request_timeout: float | None = None
    ) -> object:
        """Send any request of the protocol and return its result, decoded from JSON; raises the same errors as `hover`.

        The server must know the documents concerned, so call another method for them first.
        """
        async with self._talking(request_timeout) as server:
            return await server.ask(method, params, object)

    @asynccontextmanager
    async def _talking(self, timeout: float | None) -> AsyncGenerator[Conversation]:
        """Hold a conversation, alone and for so many seconds: one that has ended is begun anew."""
        transport = self._api.transport
        with transport.deadline(timeout or PATIENCE):
            while not self._turn.acquire(blocking=False):
                await transport.sleep(POLL)
            try:
                if self._conversation is None or self._conversation.ended:
                    self._conversation = await Conversation.open(
                        self._api, self._language_id, self._project, self._command
                    )
                yield self._conversation
            finally:
                self._turn.release()

    async def _open(self, path: str, timeout: float | None) -> None:
        await self._api.call("POST", "/lsp/did-open", json=self._document(path), timeout=timeout)
        self._opened.add(path)

    async def _open_once(self, path: str, timeout: float | None) -> None:
        """Open a document that we know to be closed: some servers find nothing in those."""
        if self._started and path not in self._opened:
            await self._open(path, timeout)

    def _server(self) -> LspServerRequest:
        return LspServerRequest(language_id=self._language_id, path_to_project=self._project)

    def _document(self, path: str) -> LspDocumentRequest:
        return LspDocumentRequest(
            language_id=self._language_id, path_to_project=self._project, uri=self._uri(path)
        )

    def _query(self) -> dict[str, str]:
        return {"languageId": self._language_id, "pathToProject": self._project}

    def _uri(self, path: str) -> str:
        # The wire wants the path as it is: nothing is quoted, and a relative one keeps what it is relative to.
        return f"file://{posixpath.join(self._project, path)}"


async def _at(server: Conversation, path: str, position: LspCompletionPosition) -> dict[str, object]:
    """Return the parameters of a question about a place, in a document that the server knows by then."""
    uri = await server.open_document(path)
    place = {"line": position.line, "character": position.character}
    return {"textDocument": {"uri": uri}, "position": place}


def _places(found: shapes.Places) -> list[LspLocation]:
    several = found if isinstance(found, list) else [found] if found is not None else []
    return [shapes.place(one) for one in several]


def _touch(one: LspRange, other: LspRange) -> bool:
    """Return whether two pieces of a document have a place in common, if only at their edges."""
    return _tuple(one.start) <= _tuple(other.end) and _tuple(other.start) <= _tuple(one.end)


def _tuple(place: LspPosition) -> tuple[int, int]:
    return place.line, place.character
