"""/lsp: language servers, one for each language of each project, started and stopped by clients."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from daytona_plugins.local.endpoints import (
    HTTPError,
    Request,
    Response,
    bad_request,
    json_response,
    read_json,
)
from daytona_plugins.lsp.registry import known_servers
from daytona_plugins.lsp.servers.answers import Position
from daytona_plugins.lsp.servers.process import RefusedError, ServerEndedError
from daytona_plugins.lsp.servers.project import Project, to_path

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import TypeVar

    from daytona_plugins.local.endpoints import Toolbox

    T = TypeVar("T")

NOT_INITIALIZED: Final = "LSP_SERVER_NOT_INITIALIZED"


class ServerRequest(msgspec.Struct, rename="camel", frozen=True):
    """The server of a project."""

    language_id: str
    path_to_project: str


class StartRequest(ServerRequest, frozen=True):
    """The server of a project that is to run."""

    command: list[str] = []
    """How it is started; empty means the best that is there."""


class DocumentRequest(ServerRequest, frozen=True):
    """A document of a project."""

    uri: str


class CompletionRequest(DocumentRequest, frozen=True):
    """A place at which something is to be written."""

    position: Position
    context: dict[str, object] | None = None


def add_lsp(toolbox: Toolbox) -> None:
    """Run language servers."""
    known_servers()  # plugins are imported now, before there is a sandbox
    servers = LanguageServers(toolbox)
    router = toolbox.router
    router.add("POST", "/lsp/start", servers.start)
    router.add("POST", "/lsp/stop", servers.stop)
    router.add("POST", "/lsp/did-open", servers.did_open)
    router.add("POST", "/lsp/did-close", servers.did_close)
    router.add("POST", "/lsp/completions", servers.completions)
    router.add("GET", "/lsp/document-symbols", servers.document_symbols)
    router.add("GET", "/lsp/workspacesymbols", servers.workspace_symbols)


class LanguageServers:
    """The language servers of a sandbox, by language and project."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._projects: dict[tuple[str, str], asyncio.Task[Project]] = {}

    async def start(self, request: Request) -> Response:
        """Start the server of a project, unless it runs already; return when it is ready."""
        wanted = await read_json(request, StartRequest)
        if not wanted.command and wanted.language_id not in known_servers():
            known = ", ".join(known_servers())
            raise bad_request(f"unsupported language: {wanted.language_id} (there are {known})")
        key = _key(wanted)
        present = self._projects.get(key)
        if present is None or _is_over(present):
            root = self._root(wanted)
            opening = Project.open(self._toolbox.reaper, wanted.language_id, root, wanted.command)
            self._projects[key] = asyncio.create_task(opening)
        await _answer(asyncio.shield(self._projects[key]))
        return Response()

    async def stop(self, request: Request) -> Response:
        """End the server of a project, also one that does not get ready."""
        wanted = await read_json(request, ServerRequest)
        opening = self._projects.pop(_key(wanted), None)
        if opening is None or _is_over(opening):
            _refuse_not_running(wanted)
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
        else:
            await opening.result().close()
        return Response()

    async def did_open(self, request: Request) -> Response:
        """Let the server know a document as it is on disk."""
        wanted = await read_json(request, DocumentRequest)
        project = await self._project(wanted)
        project.open_document(self._path(wanted))
        return Response()

    async def did_close(self, request: Request) -> Response:
        """Let the server forget a document."""
        wanted = await read_json(request, DocumentRequest)
        project = await self._project(wanted)
        project.close_document(self._path(wanted))
        return Response()

    async def completions(self, request: Request) -> Response:
        """Return what could be written at a place."""
        wanted = await read_json(request, CompletionRequest)
        project = await self._project(wanted)
        found = await _answer(project.completions(self._path(wanted), wanted.position, wanted.context))
        return json_response(found)

    async def document_symbols(self, request: Request) -> Response:
        """Return what a document defines."""
        wanted = DocumentRequest(*_queried(request, "languageId", "pathToProject", "uri"))
        project = await self._project(wanted)
        return json_response(await _answer(project.document_symbols(self._path(wanted))))

    async def workspace_symbols(self, request: Request) -> Response:
        """Return what a project defines under names like the one asked for."""
        wanted = ServerRequest(*_queried(request, "languageId", "pathToProject"))
        project = await self._project(wanted)
        return json_response(await _answer(project.workspace_symbols(request.query.first("query"))))

    async def _project(self, wanted: ServerRequest) -> Project:
        """Return a project whose server runs; one that is just starting is waited for."""
        opening = self._projects.get(_key(wanted))
        if opening is None or _is_over(opening):
            _refuse_not_running(wanted)
        return await _answer(asyncio.shield(opening))

    def _root(self, wanted: ServerRequest) -> str:
        return os.path.normpath(os.path.join(self._toolbox.work_dir, wanted.path_to_project))

    def _path(self, wanted: DocumentRequest) -> str:
        return to_path(wanted.uri, wanted.path_to_project, self._toolbox.work_dir)


def _key(wanted: ServerRequest) -> tuple[str, str]:
    return wanted.language_id, wanted.path_to_project


def _is_over(opening: asyncio.Task[Project]) -> bool:
    """Return whether a project's server did not start, or has ended since."""
    if not opening.done():
        return False
    return opening.cancelled() or opening.exception() is not None or opening.result().ended


def _queried(request: Request, *names: str) -> list[str]:
    for name in names:
        if not request.query.first(name):
            raise bad_request(f"{name} is required")
    return [request.query.first(name) for name in names]


async def _answer(pending: Awaitable[T]) -> T:
    """Return what a server answers; what can go wrong with it becomes what clients are told."""
    try:
        return await pending
    except RefusedError as error:
        raise bad_request(f"the language server refuses: {error}") from error
    except ServerEndedError as error:
        _refuse(str(error))
    except asyncio.CancelledError as error:
        if (
            isinstance(pending, asyncio.Future) and pending.cancelled()
        ):  # not we: the start that we waited for
            raise bad_request("the language server was stopped before it was ready") from error
        raise
    except TimeoutError as error:
        raise HTTPError(408, "the language server took too long to answer", code="REQUEST_TIMEOUT") from error


def _refuse_not_running(wanted: ServerRequest) -> NoReturn:
    _refuse(f"the language server for {wanted.language_id} in {wanted.path_to_project} is not running")


def _refuse(why: str) -> NoReturn:
    raise HTTPError(400, f"bad request: {why}; start it first", code=NOT_INITIALIZED)
