"""A language server's whole protocol, spoken with a server inside a sandbox over a `Channel`.

The dialogue is the machine of `daytona.protocols.jsonrpc`: here are the bytes moved. Nothing runs in between: while a
question waits for its answer, whatever the server says is read, its questions are answered, and the diagnostics that it
publishes are kept. One question is asked at a time.
"""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeVar
from urllib.parse import quote, unquote

import msgspec

from daytona.errors import (
    DaytonaBadRequestError,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaLspServerNotInitializedError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from daytona.models.lsp import LspDiagnostic
from daytona.models.system import Directory
from daytona.protocols.jsonrpc import Answer, Asked, Dialogue, Event, ProtocolError, Refusal, Told
from daytona_plugins.lsp.channel import Channel
from daytona_plugins.lsp.registry import PROJECT_PROGRAMS, dialect, how_to_install, known_servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daytona.service import Api

__all__ = ["Conversation", "path_of"]

T = TypeVar("T")

NOT_FOUND: Final = 127
"""What a shell exits with when there is no such program."""
LENT: Final = "/run/daytona/bin"
"""Where the embedded platform shows programs that it lends."""
CAPABILITIES: Final = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {
        "synchronization": {},
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "definition": {"linkSupport": True},
        "references": {},
        "rename": {},
        "formatting": {},
        "codeAction": {
            "codeActionLiteralSupport": {
                "codeActionKind": {"valueSet": ["quickfix", "refactor", "source", "source.organizeImports"]}
            }
        },
        "publishDiagnostics": {"versionSupport": True},
        "diagnostic": {},
    },
    "workspace": {
        "workspaceFolders": True,
        "configuration": True,
        "workspaceEdit": {"documentChanges": True},
    },
}


class _Initialized(msgspec.Struct):
    capabilities: dict[str, object] = {}


class _Published(msgspec.Struct):
    uri: str
    diagnostics: list[LspDiagnostic]
    version: int | None = None


class _Configuration(msgspec.Struct):
    items: list[msgspec.Raw] = []


class _Document(NamedTuple):
    version: int
    text: str


class Conversation:
    """A language server of one project that answers; `open` one, and `close` it."""

    def __init__(self, api: Api, channel: Channel, language: str, root: str) -> None:
        self._api = api
        self._channel = channel
        self._language = language
        self._root = root
        self._dialogue = Dialogue()
        self._answers: dict[int, Answer | Refusal] = {}
        self._documents: dict[str, _Document] = {}
        self._published: dict[str, list[LspDiagnostic]] = {}
        self._given_up: list[int] = []
        self._offers: dict[str, object] = {}
        self.ended = False
        """Whether the server answers no more."""

    @classmethod
    async def open(cls, api: Api, language: str, project: str, command: Sequence[str] | None) -> Self:
        """Return a conversation with a server that is ready.

        Raises:
            DaytonaLspServerNotInitializedError: There is no server for the language, or it has ended instead.
        """
        root = posixpath.normpath(project)
        if not root.startswith("/"):
            work = (await api.call("GET", "/work-dir", into=Directory)).dir
            root = posixpath.normpath(posixpath.join(work, project))
        channel = await Channel.open(api, _start(language, command), root)
        made = cls(api, channel, language, root)
        try:
            await made._initialize()
        except BaseException:
            await api.transport.shielded(made.close)
            raise
        return made

    async def _initialize(self) -> None:
        uri = self.uri(self._root)
        params = {
            "processId": None,
            "clientInfo": {"name": "daytona"},
            "rootPath": self._root,
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": posixpath.basename(self._root) or self._root}],
            "capabilities": CAPABILITIES,
        }
        self._offers = (await self.ask("initialize", params, _Initialized)).capabilities
        await self._tell("initialized", {})

    async def close(self) -> None:
        """End the server; may be called twice."""
        self.ended = True
        await self._channel.close()

    # -- Documents ------------------------------------------------------------------------------------------------

    def uri(self, path: str) -> str:
        """Return the URI of a document; a relative path lies in the project."""
        return f"file://{quote(posixpath.normpath(posixpath.join(self._root, path)))}"

    async def open_document(self, path: str) -> str:
        """Let the server know a document as it is now, and return its URI.

        Raises:
            DaytonaFileNotFoundError: There is no such file.
        """
        uri = self.uri(path)
        text = await self._read(path_of(uri))
        known = self._documents.get(uri)
        if known is None:
            item = {"uri": uri, "languageId": dialect(self._language, path), "version": 1, "text": text}
            await self._tell("textDocument/didOpen", {"textDocument": item})
        elif known.text != text:
            self._published.pop(uri, None)
            item = {"uri": uri, "version": known.version + 1}
            change = {"textDocument": item, "contentChanges": [{"text": text}]}
            await self._tell("textDocument/didChange", change)
        if known is None or known.text != text:
            self._documents[uri] = _Document(known.version + 1 if known else 1, text)
        return uri

    async def _read(self, path: str) -> str:
        answer = await self._api.stream("GET", "/files/download", query={"path": path})
        return (await answer.read_all()).decode("utf-8", "replace")

    async def diagnostics(self, path: str) -> list[LspDiagnostic]:
        """Return what the server finds wrong in a document: asked for, or awaited where it tells by itself."""
        uri = await self.open_document(path)
        if "diagnosticProvider" in self._offers:
            report = await self.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}}, _Report)
            return report.items
        while uri not in self._published:
            await self._receive()
        return self._published[uri]

    # -- Questions ------------------------------------------------------------------------------------------------

    async def ask(self, method: str, params: object, into: type[T]) -> T:
        """Return the server's answer as *into*.

        Raises:
            DaytonaBadRequestError: It refuses, or answers something else.
            DaytonaLspServerNotInitializedError: It has ended.
            DaytonaTimeoutError: It takes too long.
        """
        number, question = self._dialogue.request(method, params)
        try:
            await self._send(question)
            while number not in self._answers:
                await self._receive()
        except BaseException:
            self._given_up.append(number)  # the server learns it with what is said next
            raise
        answer = self._answers.pop(number)
        if isinstance(answer, Refusal):
            raise DaytonaBadRequestError(f"the language server refuses: {answer.message} ({answer.code})")
        try:
            return msgspec.json.decode(answer.result, type=into)
        except msgspec.DecodeError as error:
            raise DaytonaBadRequestError(
                f"the language server answers {method} with something else: {error}"
            ) from error

    async def _tell(self, method: str, params: object) -> None:
        await self._send(self._dialogue.notify(method, params))

    async def _send(self, data: bytes) -> None:
        late = [self._dialogue.notify("$/cancelRequest", {"id": number}) for number in self._given_up]
        self._given_up.clear()
        try:
            await self._channel.send(b"".join([*late, data]))
        except DaytonaTimeoutError:
            self.ended = True  # a part of a message may be under way
            raise
        except DaytonaConnectionError as error:
            raise await self._end() from error

    async def _receive(self) -> None:
        """Take in what the server says next."""
        data = await self._channel.receive()
        if not data:
            raise await self._end()
        try:
            for event in self._dialogue.receive(data):
                await self._take(event)
        except (ProtocolError, msgspec.DecodeError) as error:
            await self.close()
            raise DaytonaError(f"the language server does not speak the protocol: {error}") from error

    async def _take(self, event: Event) -> None:
        match event:
            case Answer(number) | Refusal(number):
                self._answers[number] = event
            case Asked():
                await self._send(self._dialogue.answer(event, _reply(event)))
            case Told("textDocument/publishDiagnostics", params):
                self._keep(msgspec.json.decode(params, type=_Published))
            case _:
                pass  # progress, logs: nobody has asked for them

    def _keep(self, news: _Published) -> None:
        document = self._documents.get(news.uri)
        if document is None or news.version in (None, document.version):
            self._published[news.uri] = news.diagnostics

    async def _end(self) -> DaytonaError:
        """Return why the server has ended."""
        self.ended = True
        await self._channel.drain()
        said = await self._channel.last_words()
        code = self._channel.exit_code
        await self._channel.close()
        if code == NOT_FOUND:
            return DaytonaLspServerNotInitializedError(said or "there is no such program in this sandbox")
        how = "" if code is None else f" with exit code {code}"
        return DaytonaLspServerNotInitializedError(
            f"the language server ended{how}" + (f": {said}" if said else "")
        )


class _Report(msgspec.Struct):
    items: list[LspDiagnostic] = []


def path_of(uri: str) -> str:
    """Return the path of a document."""
    return unquote(uri.removeprefix("file://"))


def _reply(question: Asked) -> object:
    """Return null, as someone without settings and without an editor; settings are asked for in lists."""
    if question.method != "workspace/configuration":
        return {"applied": False} if question.method == "workspace/applyEdit" else None
    return [None] * len(msgspec.json.decode(question.params, type=_Configuration).items)


def _start(language: str, command: Sequence[str] | None) -> str:
    """Return the shell's words that become a server: *command*, or the first of the known ones that is there."""
    places = ":".join([*(f"$PWD/{name}" for name in PROJECT_PROGRAMS), "$PATH", LENT])
    path = f'PATH="{places}"; export PATH\n'
    if command:
        return f"{path}exec {shlex.join(command)}"
    if language not in known_servers():
        raise DaytonaValidationError(
            f"unsupported language: {language} (there are {', '.join(known_servers())}); give a command"
        )
    tried = [_if_there(server.command, server.since) for server in known_servers()[language]]
    nothing = f"there is no language server for {language} in this sandbox; install one with {how_to_install(language)}"
    return "\n".join([path, *tried, f"echo {shlex.quote(nothing)} >&2", f"exit {NOT_FOUND}"])


def _if_there(command: Sequence[str], since: int) -> str:
    there = f"command -v {shlex.quote(command[0])} >/dev/null"
    if since:
        there += f" && v=$({shlex.quote(command[0])} --version) && v=${{v##* }} && [ ${{v%%.*}} -ge {since} ]"
    return f"if {there}; then exec {shlex.join(command)}; fi"
