"""Language servers: what could be written at a place, and what a document or a project defines.

The dialogue with the server happens inside the sandbox. Here a project is named, and its server started and asked.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final, cast

from daytona.models.lsp import (
    CompletionList,
    LspCompletionParams,
    LspCompletionPosition,
    LspDocumentRequest,
    LspPosition,
    LspServerRequest,
    LspStartRequest,
    LspSymbol,
)
from daytona.service import AsyncService, made_directly, operation, toolbox_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daytona.models.enums import LspLanguageId
    from daytona.service import ApiOrSandbox

__all__ = ["AsyncLspServer"]

_SYMBOLS: Final = cast("type[list[LspSymbol] | None]", list[LspSymbol] | None)


class AsyncLspServer(AsyncService):
    """The language server of one project in a sandbox; `start` it before anything else.

    Paths are those of the sandbox. Relative ones lie in the project; the project's own lies in the working directory.
    A document need not be opened before it is asked about.

    Args:
        language_id: `python`, `typescript` or `javascript`.
        path_to_project: The directory of the project.
        api_client: The sandbox, or the API of its toolbox as services have it (`daytona.service.Api`).
        command: The program that serves and its arguments; None takes the best that the sandbox has. The embedded
            platform uses it, and any language will do then; others choose by themselves.
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

    @operation("Failed to start LSP server: ")
    async def start(self, request_timeout: float | None = None) -> None:
        """Start the server, unless it runs already; it is ready then.

        Raises:
            DaytonaError: The sandbox has no server for the language; the text says what to install.
        """
        wanted = LspStartRequest(
            language_id=self._language_id, path_to_project=self._project, command=self._command
        )
        await self._api.call("POST", "/lsp/start", json=wanted, timeout=request_timeout)
        self._started, self._opened = True, set()

    @operation("Failed to stop LSP server: ")
    async def stop(self, request_timeout: float | None = None) -> None:
        """End the server.

        Raises:
            DaytonaLspServerNotInitializedError: It does not run.
        """
        await self._api.call("POST", "/lsp/stop", json=self._server(), timeout=request_timeout)
        self._started = False

    @operation("Failed to open file: ")
    async def did_open(self, path: str, request_timeout: float | None = None) -> None:
        """Let the server know a document as it is in the sandbox's file system now.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
            DaytonaFileNotFoundError: There is no such file.
        """
        await self._open(path, request_timeout)

    @operation("Failed to close file: ")
    async def did_close(self, path: str, request_timeout: float | None = None) -> None:
        """Let the server forget a document.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
        """
        await self._api.call("POST", "/lsp/did-close", json=self._document(path), timeout=request_timeout)
        self._opened.discard(path)

    @operation("Failed to get symbols from document: ")
    async def document_symbols(self, path: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return what a document defines: classes, functions, variables, in their order in the text.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
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
        """Return what the project defines under names like *query*.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
        """
        return await self._symbols_like(query, request_timeout)

    @operation("Failed to get symbols from sandbox: ")
    async def workspace_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return what `sandbox_symbols` does, under its older name."""
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
        """Return what could be written at a place, counted from zero: after `foo.`, the attributes of `foo`.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
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
