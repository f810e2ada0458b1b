"""Language servers: what could be written at a place, and what a document or a project defines, for blocking code.

Written by `python -m daytona.faces` from `daytona_plugins.lsp.service`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona.models.lsp import (
    CompletionList,
    LspCodeAction,
    LspCompletionPosition,
    LspDiagnostic,
    LspHover,
    LspLocation,
    LspRange,
    LspSymbol,
    LspTextEdit,
    LspWorkspaceEdit,
)
from daytona.service import BlockingService, step
from daytona_plugins.lsp.service import AsyncLspServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from daytona.models.enums import LspLanguageId
    from daytona.service import ApiOrSandbox

__all__ = ["LspServer"]


class LspServer(BlockingService[AsyncLspServer]):
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

    def __init__(
        self,
        language_id: LspLanguageId | str,
        path_to_project: str,
        api_client: ApiOrSandbox,
        *,
        command: Sequence[str] | None = None,
    ) -> None:
        super().__init__(AsyncLspServer(language_id, path_to_project, api_client, command=command))

    def start(self, request_timeout: float | None = None) -> None:
        """Start the server, if it is not running, and wait until it is ready.

        Raises:
            DaytonaError: The sandbox has no server for the language; the message says what to install.
        """
        step(self._core.start(request_timeout))

    def stop(self, request_timeout: float | None = None) -> None:
        """Stop the server.

        Raises:
            DaytonaLspServerNotInitializedError: It is not running.
        """
        step(self._core.stop(request_timeout))

    def did_open(self, path: str, request_timeout: float | None = None) -> None:
        """Open a document in the server, with its current content in the sandbox's file system.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        step(self._core.did_open(path, request_timeout))

    def did_close(self, path: str, request_timeout: float | None = None) -> None:
        """Close a document in the server.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
        """
        step(self._core.did_close(path, request_timeout))

    def document_symbols(self, path: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return the symbols that a document defines (classes, functions, variables), in the order of the text.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        return step(self._core.document_symbols(path, request_timeout))

    def sandbox_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return the symbols of the project whose names resemble *query*.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
        """
        return step(self._core.sandbox_symbols(query, request_timeout))

    def workspace_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Deprecated: use `sandbox_symbols`."""
        return step(self._core.workspace_symbols(query, request_timeout))

    def completions(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> CompletionList:
        """Return the completions at a position, counted from zero: after `foo.`, the attributes of `foo`.

        Raises:
            DaytonaLspServerNotInitializedError: The server is not running.
            DaytonaFileNotFoundError: There is no such file.
        """
        return step(self._core.completions(path, position, request_timeout))

    def hover(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> LspHover | None:
        """Return information about the symbol at a position; None if there is none.

        Raises:
            DaytonaLspServerNotInitializedError: There is no server for the language, or it has ended.
            DaytonaBadRequestError: The server rejected the request.
            DaytonaFileNotFoundError: There is no such file.
            DaytonaTimeoutError: It took more than *request_timeout* seconds, 60 when that is None.
        """
        return step(self._core.hover(path, position, request_timeout))

    def definition(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> list[LspLocation]:
        """Return where the symbol at a position is defined; raises the same errors as `hover`."""
        return step(self._core.definition(path, position, request_timeout))

    def references(
        self,
        path: str,
        position: LspCompletionPosition,
        *,
        include_declaration: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspLocation]:
        """Return where the symbol at a position is used; raises the same errors as `hover`."""
        return step(self._core.references(path, position, include_declaration=include_declaration, request_timeout=request_timeout))

    def rename(
        self, path: str, position: LspCompletionPosition, new_name: str, request_timeout: float | None = None
    ) -> LspWorkspaceEdit:
        """Return the changes that rename the symbol at a position everywhere; raises the same errors as `hover`."""
        return step(self._core.rename(path, position, new_name, request_timeout))

    def diagnostics(self, path: str, request_timeout: float | None = None) -> list[LspDiagnostic]:
        """Return the problems that the server finds in a document; raises the same errors as `hover`."""
        return step(self._core.diagnostics(path, request_timeout))

    def code_action(
        self, path: str, within: LspRange, request_timeout: float | None = None
    ) -> list[LspCodeAction]:
        """Return the actions that the server offers for a range of a document; raises the same errors as `hover`."""
        return step(self._core.code_action(path, within, request_timeout))

    def format(
        self,
        path: str,
        *,
        tab_size: int = 4,
        insert_spaces: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspTextEdit]:
        """Return the changes that format a document; raises the same errors as `hover`."""
        return step(self._core.format(path, tab_size=tab_size, insert_spaces=insert_spaces, request_timeout=request_timeout))

    def request(self, method: str, params: object = None, request_timeout: float | None = None) -> object:
        """Send any request of the protocol and return its result, decoded from JSON; raises the same errors as `hover`.

        The server must know the documents concerned, so call another method for them first.
        """
        return step(self._core.request(method, params, request_timeout))
