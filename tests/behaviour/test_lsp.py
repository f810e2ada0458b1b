"""Language servers on the three faces: a real one for Python, and stand-ins where a server must misbehave."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    AsyncLspServer,
    DaytonaBadRequestError,
    DaytonaError,
    DaytonaFileNotFoundError,
    DaytonaLspServerNotInitializedError,
    DaytonaTimeoutError,
    DaytonaValidationError,
    LspCompletionPosition,
    LspLanguageId,
    LspServer,
)
from tests.behaviour.stand_in_server import SERVER, span
from tests.conftest import AwaitBlocking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CODE = b"""\
class Foo:
    def bar(self, n: int) -> int:
        return n

LIMIT = 3
foo = Foo()
foo.
"""
AFTER_FOO = LspCompletionPosition(line=6, character=4)

needs_ty = pytest.mark.skipif(
    shutil.which("ty", path=str(Path(sys.executable).parent)) is None,
    reason="no `ty` beside this Python; install the extra `lsp`",
)


async def project(sandbox: Any, folder: str, code: bytes = CODE) -> str:
    """Make a project with one file, and return its absolute path."""
    await sandbox.fs.upload_file(code, f"{folder}/src/main.py")
    return f"{await sandbox.get_user_home_dir()}/{folder}"


def made(sandbox: Any, root: str, language: str = "python") -> Any:
    """Return a server of the test's face; making one is no coroutine on any."""
    server = sandbox.create_lsp_server(language, root)
    return AwaitBlocking(server) if isinstance(server, LspServer) else server


@asynccontextmanager
async def started(sandbox: Any, root: str) -> AsyncIterator[Any]:
    lsp = made(sandbox, root)
    await lsp.start()
    yield lsp
    await lsp.stop()


def names(symbols: Any) -> list[str]:
    return [symbol.name for symbol in symbols]


# -- A real server ----------------------------------------------------------------------------------------------------


@needs_ty
async def test_completions_know_the_attributes_of_an_object(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        lsp = made(sandbox, await project(sandbox, folder), LspLanguageId.PYTHON)
        await lsp.start()
        await lsp.start()
        found = await lsp.completions("src/main.py", AFTER_FOO)
        assert found.items[0].label == "bar"
        assert "int" in str(found.items[0].detail)
        at_the_beginning = await lsp.completions("src/main.py", LspCompletionPosition(0, 0))
        assert "class" in [item.label for item in at_the_beginning.items]
        await lsp.stop()


@needs_ty
async def test_symbols_have_kinds_and_places(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        async with started(sandbox, root) as lsp:
            symbols = await lsp.document_symbols("src/main.py")
            assert names(symbols) == ["Foo", "bar", "LIMIT", "foo"]
            place = symbols[1].location
            assert (symbols[1].kind, place.uri) == (6, f"file://{root}/src/main.py")
            assert (place.range.start.line, place.range.start.character) == (1, 4)
            assert names(await lsp.sandbox_symbols("Foo")) == names(await lsp.workspace_symbols("Foo"))
            assert await lsp.sandbox_symbols("NobodyHasThis") == []


@needs_ty
async def test_a_relative_project_lies_in_the_working_directory(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        async with started(sandbox, folder) as lsp:
            assert "Foo" in names(await lsp.document_symbols("src/main.py"))
            assert "Foo" in names(await lsp.document_symbols(f"{root}/src/main.py"))


@needs_ty
async def test_names_of_files_may_hold_anything(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        await sandbox.fs.upload_file(b"ANSWER = 42\n", f"{folder}/größe %41 #1.py")
        async with started(sandbox, root) as lsp:
            assert names(await lsp.document_symbols("größe %41 #1.py")) == ["ANSWER"]


@needs_ty
async def test_answers_are_about_the_files_as_they_are_now(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox, started(sandbox, await project(sandbox, folder)) as lsp:
        await lsp.did_open("src/main.py")
        assert "Foo" in names(await lsp.document_symbols("src/main.py"))
        await sandbox.fs.upload_file(b"class Renamed: ...\n", f"{folder}/src/main.py")
        assert names(await lsp.document_symbols("src/main.py")) == ["Renamed"]
        await sandbox.fs.upload_file(b"class Unopened: ...\n", f"{folder}/src/other.py")
        assert names(await lsp.sandbox_symbols("Unopened")) == ["Unopened"]
        await sandbox.fs.delete_file(f"{folder}/src/other.py")
        assert await lsp.sandbox_symbols("Unopened") == []
        await lsp.did_close("src/main.py")
        await lsp.did_close("src/main.py")


@needs_ty
async def test_it_is_made_from_a_sandbox_too(face: str, box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        if face == "blocking":
            lsp: Any = AwaitBlocking(LspServer("python", root, sandbox.wrapped))
        else:
            lsp = AsyncLspServer("python", root, sandbox)
        await lsp.start()
        assert "Foo" in names(await lsp.document_symbols("src/main.py"))
        await lsp.stop()


@needs_ty
async def test_a_file_that_is_not_there_is_named(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox, started(sandbox, await project(sandbox, folder)) as lsp:
        with pytest.raises(DaytonaFileNotFoundError, match=r"Failed to open file: .*missing\.py"):
            await lsp.did_open("missing.py")
        with pytest.raises(DaytonaBadRequestError, match="is not a file"):
            await lsp.document_symbols("src")


@needs_ty
async def test_a_server_that_was_killed_can_be_started_again(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox, started(sandbox, await project(sandbox, folder)) as lsp:
        await sandbox.process.exec("pkill -KILL -f '^/run/daytona/bin/ty'")
        with pytest.raises(DaytonaLspServerNotInitializedError, match="start it first"):
            await lsp.document_symbols("src/main.py")
        await lsp.start()
        assert "Foo" in names(await lsp.document_symbols("src/main.py"))


@needs_ty
async def test_nothing_is_left_of_a_stopped_server(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        async with started(sandbox, root):
            there = await sandbox.process.exec("ls -l /proc/[0-9]*/cwd")
            assert root in there.result
        after = await sandbox.process.exec("ls -l /proc/[0-9]*/cwd")
        assert root not in after.result


# -- Order ------------------------------------------------------------------------------------------------------------


async def test_nothing_works_before_the_start(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        lsp = made(sandbox, await project(sandbox, folder))
        early = [
            lsp.did_open("src/main.py"),
            lsp.did_close("src/main.py"),
            lsp.document_symbols("src/main.py"),
            lsp.sandbox_symbols("Foo"),
            lsp.completions("src/main.py", AFTER_FOO),
            lsp.stop(),
        ]
        for call in early:
            with pytest.raises(DaytonaLspServerNotInitializedError, match="start it first"):
                await call


async def test_what_cannot_be_started_says_why(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        root = await project(sandbox, folder)
        with pytest.raises(DaytonaBadRequestError, match="unsupported language: rust"):
            await made(sandbox, root, "rust").start()
        with pytest.raises(DaytonaBadRequestError, match="no directory"):
            await made(sandbox, f"{root}/nowhere").start()


async def test_an_api_of_something_else_is_refused() -> None:
    with pytest.raises(DaytonaValidationError, match="a sandbox or the API"):
        AsyncLspServer("python", "/p", object())  # type: ignore[arg-type]


# -- Servers that misbehave: programs of the project come first -------------------------------------------------------


async def stand_in(sandbox: Any, folder: str, script: str) -> Any:
    """Return the server of a project that has a `typescript-language-server` of its own: this script."""
    program = f"{folder}/node_modules/.bin/typescript-language-server"
    await sandbox.fs.upload_file(script.encode(), program)
    await sandbox.fs.set_file_permissions(program, mode="755")
    return made(sandbox, folder, "typescript")


async def test_a_server_that_ends_at_once_is_quoted(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, "#!/bin/sh\necho 'no tsserver here' >&2; exit 7\n")
        with pytest.raises(DaytonaError, match="ended with exit code 7: no tsserver here"):
            await lsp.start()


async def test_a_server_that_talks_nonsense_is_ended(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, "#!/bin/sh\nprintf 'Hello!\\r\\n\\r\\n'; exec sleep 600\n")
        with pytest.raises(DaytonaError, match="does not speak the protocol"):
            await lsp.start()


async def test_a_server_that_hangs_is_given_up_and_can_be_stopped(
    box: Callable[[], Any], folder: str
) -> None:
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, "#!/bin/sh\nexec sleep 600\n")
        with pytest.raises(DaytonaTimeoutError, match="Failed to start LSP server: "):
            await lsp.start(request_timeout=0.5)
        await lsp.stop(request_timeout=20)
        with pytest.raises(DaytonaLspServerNotInitializedError):
            await lsp.stop()
        assert (await sandbox.process.exec("pgrep -xf 'sleep 600'")).result == ""


async def test_a_server_that_stops_answering_is_given_up(box: Callable[[], Any], folder: str) -> None:
    script = (
        SERVER % json.dumps({})
        + "    if message['method'] == 'initialized':\n        __import__('time').sleep(600)\n"
    )
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, script)
        await lsp.start()
        with pytest.raises(DaytonaTimeoutError, match="Failed to get symbols from sandbox: "):
            await lsp.sandbox_symbols("x", request_timeout=0.5)
        await sandbox.process.exec("pkill -KILL -f typescript-language-server")


async def test_a_server_that_floods_its_error_output_is_heard_all_the_same(
    box: Callable[[], Any], folder: str
) -> None:
    flood = "sys.stderr.write('x' * 100 + '\\n'); sys.stderr.flush()"
    script = (SERVER % json.dumps({})).replace(
        "while head",
        f"import threading\ndef flood():\n    while True: {flood}\n"
        "threading.Thread(target=flood, daemon=True).start()\nwhile head",
    )
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, script)
        await lsp.start()
        assert await lsp.sandbox_symbols("x") == []
        await sandbox.process.exec("pkill -KILL -f typescript-language-server")
        with pytest.raises(DaytonaLspServerNotInitializedError, match="start it first"):
            await lsp.sandbox_symbols("x")


async def test_a_server_may_be_named(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file((SERVER % json.dumps({})).encode(), f"{folder}/own server")
        server = sandbox.create_lsp_server("rust", folder, command=["python3", "own server"])
        lsp = AwaitBlocking(server) if isinstance(server, LspServer) else server
        await lsp.start()
        assert await lsp.sandbox_symbols("x") == []
        await lsp.stop()
        missing = sandbox.create_lsp_server("rust", folder, command=["nowhere-to-be-found"])
        lsp = AwaitBlocking(missing) if isinstance(missing, LspServer) else missing
        with pytest.raises(DaytonaError, match="there is no program nowhere-to-be-found"):
            await lsp.start()


async def test_answers_of_every_shape_are_read(box: Callable[[], Any], folder: str) -> None:
    inner = {"name": "b", "kind": 6, "range": span(2, 3)}
    answers = {
        "textDocument/documentSymbol": [
            {"result": [{"name": "A", "kind": 5, "range": span(1, 4), "children": [inner]}]},
            {"result": None},
        ],
        "textDocument/completion": [
            {"result": [{"label": "x", "textEdit": {}}]},
            {"result": None},
            {"result": {"isIncomplete": True, "items": [{"label": "y"}]}},
        ],
        "workspace/symbol": [{"error": {"code": -32601, "message": "Method Not Found"}}],
    }
    async with box() as sandbox:
        lsp = await stand_in(sandbox, folder, SERVER % json.dumps(answers))
        await sandbox.fs.upload_file(b"let x = 1\n", f"{folder}/a.ts")
        await lsp.start()
        outer, nested = await lsp.document_symbols("a.ts")
        assert (outer.name, nested.name, nested.location.range.start.line) == ("A", "b", 2)
        assert outer.location.uri.endswith(f"/{folder}/a.ts")
        assert await lsp.document_symbols("a.ts") == []
        found = [await lsp.completions("a.ts", LspCompletionPosition(0, 0)) for _ in range(3)]
        assert [[item.label for item in one.items] for one in found] == [["x"], [], ["y"]]
        assert [one.is_incomplete for one in found] == [False, False, True]
        with pytest.raises(DaytonaBadRequestError, match="Method Not Found"):
            await lsp.sandbox_symbols("x")
        await lsp.stop()
