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
    """The language server of one project in a sandbox; `start` it before anything else.

    Paths are those of the sandbox. Relative ones lie in the project; the project's own lies in the working directory.
    A document need not be opened before it is asked about.

    What `hover` and the methods after it ask goes to another process of the server, which is started when it is first
    asked, whether `start` was called or not; `stop` ends that too. Documents are read anew for each question, and one
    question is asked at a time. Lines and characters are counted from zero, characters as UTF-16 does.

    Args:
        language_id: `python`, `typescript` or `javascript`.
        path_to_project: The directory of the project.
        api_client: The sandbox, or the API of its toolbox as services have it (`daytona.service.Api`).
        command: The program that serves and its arguments; None takes the best that the sandbox has. The embedded
            platform uses it, and any language will do then; others choose by themselves.
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
        """Start the server, unless it runs already; it is ready then.

        Raises:
            DaytonaError: The sandbox has no server for the language; the text says what to install.
        """
        step(self._core.start(request_timeout))

    def stop(self, request_timeout: float | None = None) -> None:
        """End the server.

        Raises:
            DaytonaLspServerNotInitializedError: It does not run.
        """
        step(self._core.stop(request_timeout))

    def did_open(self, path: str, request_timeout: float | None = None) -> None:
        """Let the server know a document as it is in the sandbox's file system now.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
            DaytonaFileNotFoundError: There is no such file.
        """
        step(self._core.did_open(path, request_timeout))

    def did_close(self, path: str, request_timeout: float | None = None) -> None:
        """Let the server forget a document.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
        """
        step(self._core.did_close(path, request_timeout))

    def document_symbols(self, path: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return what a document defines: classes, functions, variables, in their order in the text.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
            DaytonaFileNotFoundError: There is no such file.
        """
        return step(self._core.document_symbols(path, request_timeout))

    def sandbox_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return what the project defines under names like *query*.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
        """
        return step(self._core.sandbox_symbols(query, request_timeout))

    def workspace_symbols(self, query: str, request_timeout: float | None = None) -> list[LspSymbol]:
        """Return what `sandbox_symbols` does, under its older name."""
        return step(self._core.workspace_symbols(query, request_timeout))

    def completions(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> CompletionList:
        """Return what could be written at a place, counted from zero: after `foo.`, the attributes of `foo`.

        Raises:
            DaytonaLspServerNotInitializedError: The server does not run.
            DaytonaFileNotFoundError: There is no such file.
        """
        return step(self._core.completions(path, position, request_timeout))

    def hover(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> LspHover | None:
        """Return what is known about the word at a place, None when that is nothing.

        Raises:
            DaytonaLspServerNotInitializedError: There is no server for the language, or it has ended.
            DaytonaBadRequestError: The server refuses to answer.
            DaytonaFileNotFoundError: There is no such file.
            DaytonaTimeoutError: It took more than *request_timeout* seconds, 60 when that is None.
        """
        return step(self._core.hover(path, position, request_timeout))

    def definition(
        self, path: str, position: LspCompletionPosition, request_timeout: float | None = None
    ) -> list[LspLocation]:
        """Return where the word at a place is defined; raises what `hover` does."""
        return step(self._core.definition(path, position, request_timeout))

    def references(
        self,
        path: str,
        position: LspCompletionPosition,
        *,
        include_declaration: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspLocation]:
        """Return where the word at a place is used; raises what `hover` does."""
        return step(self._core.references(path, position, include_declaration=include_declaration, request_timeout=request_timeout))

    def rename(
        self, path: str, position: LspCompletionPosition, new_name: str, request_timeout: float | None = None
    ) -> LspWorkspaceEdit:
        """Return the changes that give the word at a place another name everywhere; raises what `hover` does."""
        return step(self._core.rename(path, position, new_name, request_timeout))

    def diagnostics(self, path: str, request_timeout: float | None = None) -> list[LspDiagnostic]:
        """Return what the server finds wrong in a document; raises what `hover` does."""
        return step(self._core.diagnostics(path, request_timeout))

    def code_action(
        self, path: str, within: LspRange, request_timeout: float | None = None
    ) -> list[LspCodeAction]:
        """Return what the server can do about a piece of a document; raises what `hover` does."""
        return step(self._core.code_action(path, within, request_timeout))

    def format(
        self,
        path: str,
        *,
        tab_size: int = 4,
        insert_spaces: bool = True,
        request_timeout: float | None = None,
    ) -> list[LspTextEdit]:
        """Return the changes that put a document in good form; raises what `hover` does."""
        return step(self._core.format(path, tab_size=tab_size, insert_spaces=insert_spaces, request_timeout=request_timeout))

    def request(self, method: str, params: object = None, request_timeout: float | None = None) -> object:
        """Return the answer to any question of the protocol, as JSON has it; raises what `hover` does.

        Documents that it is about have to be known: ask something else about them first.
        """
        return step(self._core.request(method, params, request_timeout))
