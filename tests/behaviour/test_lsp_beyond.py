"""What no toolbox offers: the whole protocol, with real servers inside a sandbox, over a terminal."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaError,
    DaytonaFileNotFoundError,
    DaytonaLspServerNotInitializedError,
    DaytonaTimeoutError,
    LspCompletionPosition,
    LspServer,
)
from daytona.models.lsp import LspPosition, LspRange
from tests.behaviour.real_servers import PYLSP, put_pylsp, put_typescript
from tests.behaviour.test_lsp import needs_ty
from tests.conftest import AwaitBlocking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.local.platform_process import Platform

CODE = b'''\
class Circle:
    """A round thing."""

    def area(self, radius: int) -> int:
        return 3 * radius * radius


circle = Circle()
print(circle.area(2), circle.volume)
'''
NAME = LspCompletionPosition(0, 8)
USE = LspCompletionPosition(7, 11)


@asynccontextmanager
async def project(
    sandbox: Any,
    root: str,
    files: dict[str, bytes],
    language: str = "python",
    command: Sequence[str] | None = None,
) -> AsyncIterator[Any]:
    """Yield the server of a project with these files, of the test's face; it was not started."""
    for name, content in files.items():
        await sandbox.fs.upload_file(content, f"{root}/{name}")
    before = await terminals(sandbox)
    server = sandbox.create_lsp_server(language, root, command=command)
    lsp = AwaitBlocking(server) if isinstance(server, LspServer) else server
    yield lsp
    await lsp.stop()
    assert await terminals(sandbox) <= before


async def terminals(sandbox: Any) -> set[str]:
    return {one.id for one in await sandbox.process.list_pty_sessions()}


def places(found: Any) -> list[tuple[str, int, int]]:
    return sorted(
        (one.uri.rpartition("/")[2], one.range.start.line, one.range.start.character) for one in found
    )


@needs_ty
async def test_a_server_knows_words_and_where_they_are_used(box: Callable[[], Any], folder: str) -> None:
    more = b"from shapes import Circle\n\nprint(Circle)\n"
    async with box() as sandbox, project(sandbox, folder, {"shapes.py": CODE, "more.py": more}) as lsp:
        hover = await lsp.hover("shapes.py", USE)
        assert "A round thing." in hover.text
        assert hover.range.start.line == 7
        assert await lsp.hover("shapes.py", LspCompletionPosition(5, 0)) is None
        assert places(await lsp.definition("more.py", LspCompletionPosition(2, 8))) == [("shapes.py", 0, 6)]
        await lsp.hover("more.py", LspCompletionPosition(0, 20))
        used = places(await lsp.references("shapes.py", NAME))
        assert used == [("more.py", 0, 19), ("more.py", 2, 6), ("shapes.py", 0, 6), ("shapes.py", 7, 9)]
        others = places(await lsp.references("shapes.py", NAME, include_declaration=False))
        assert ("shapes.py", 0, 6) not in others
        changes = (await lsp.rename("shapes.py", NAME, "Disc")).changes
        assert {uri.rpartition("/")[2]: len(edits) for uri, edits in changes.items()} == {
            "shapes.py": 2,
            "more.py": 2,
        }
        assert {edit.new_text for edits in changes.values() for edit in edits} == {"Disc"}


@needs_ty
async def test_what_is_wrong_is_told_of_the_file_as_it_is_now(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox, project(sandbox, folder, {"shapes.py": CODE}) as lsp:
        (found,) = await lsp.diagnostics("shapes.py")
        assert (found.range.start.line, found.severity, "volume" in found.message) == (8, 1, True)
        actions = await lsp.code_action("shapes.py", found.range)
        assert all(action.title for action in actions)
        await sandbox.fs.upload_file(CODE.replace(b", circle.volume", b""), f"{folder}/shapes.py")
        assert await lsp.diagnostics("shapes.py") == []
        with pytest.raises(DaytonaFileNotFoundError, match="Failed to get diagnostics: "):
            await lsp.diagnostics("nowhere.py")


@needs_ty
async def test_any_question_can_be_asked(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox, project(sandbox, folder, {"größe #1.py": CODE}) as lsp:
        await lsp.hover("größe #1.py", USE)
        home = await sandbox.get_user_home_dir()
        uri = f"file://{home}/{folder}/gr%C3%B6%C3%9Fe%20%231.py"
        answer = await lsp.request(
            "textDocument/documentHighlight",
            {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 8}},
        )
        assert [one["range"]["start"]["line"] for one in answer] == [0, 7]
        with pytest.raises(DaytonaBadRequestError, match="the language server refuses: "):
            await lsp.request("textDocument/noSuchThing", {})


@needs_ty
async def test_a_large_document_passes_through_the_terminal(box: Callable[[], Any], folder: str) -> None:
    code = b"".join(b"name_%d = %d  # \x7f\x03\x04 \xf0\x9f\x99\x82\n" % (i, i) for i in range(20_000))
    async with box() as sandbox, project(sandbox, folder, {"large.py": code}) as lsp:
        hover = await lsp.hover("large.py", LspCompletionPosition(19_999, 3))
        assert "19999" in hover.text


@pytest.mark.faces("asyncio", "trio")
@needs_ty
async def test_questions_asked_at_once_take_turns(box: Callable[[], Any], folder: str) -> None:
    import anyio

    seen: list[str] = []

    async def ask(lsp: Any) -> None:
        seen.append((await lsp.hover("shapes.py", USE)).text)

    async with (
        box() as sandbox,
        project(sandbox, folder, {"shapes.py": CODE}) as lsp,
        anyio.create_task_group() as group,
    ):
        for _ in range(8):
            group.start_soon(ask, lsp)
    assert len(set(seen)) == 1
    assert len(seen) == 8


@pytest.mark.faces("blocking")  # it takes its time
async def test_what_a_server_publishes_is_waited_for(
    box: Callable[[], Any], platform: Platform, shared_id: str, folder: str
) -> None:
    put_pylsp(platform, shared_id)
    async with box() as sandbox, project(sandbox, folder, {"a.py": b"print(1)\n"}, command=PYLSP) as lsp:
        assert "print" in (await lsp.hover("a.py", LspCompletionPosition(0, 1))).text
        assert await lsp.diagnostics("a.py") == []


async def test_typescript_7_answers_everything(
    box: Callable[[], Any], platform: Platform, shared_id: str, folder: str
) -> None:
    root = f"{put_typescript(platform, shared_id, 'typescript-7', 'typescript@7')}/{folder}"
    code = b"export const   radius: number = 'two'\nconsole.log(radius)\n"
    async with box() as sandbox:
        await sandbox.process.exec(f"mkdir {root} && ln -s ../node_modules {root}/node_modules")
        async with project(sandbox, root, {"a.ts": code, "tsconfig.json": b"{}"}, "typescript") as lsp:
            assert "radius: number" in (await lsp.hover("a.ts", LspCompletionPosition(1, 13))).text
            assert places(await lsp.definition("a.ts", LspCompletionPosition(1, 13))) == [("a.ts", 0, 15)]
            assert "not assignable" in (await lsp.diagnostics("a.ts"))[0].message
            (edit,) = await lsp.format("a.ts")
            assert (edit.range.start.character, edit.range.end.character, edit.new_text) == (12, 15, " ")
            ((_, edits),) = (await lsp.rename("a.ts", LspCompletionPosition(1, 13), "r")).changes.items()
            assert [one.new_text for one in edits] == ["r", "r"]


# -- Servers that misbehave -------------------------------------------------------------------------------------------

SERVER = """\
import json, os, sys, threading
answers = json.loads(%r)
def say(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %%d\\r\\n\\r\\n" %% len(body) + body)
    sys.stdout.buffer.flush()
while head := sys.stdin.buffer.readline():
    length = int(head.split(b":")[1]) + len(sys.stdin.buffer.readline()) - 2
    message = json.loads(sys.stdin.buffer.read(length))
    if message.get("method") == "$/cancelRequest":
        print("cancelled", message["params"]["id"], file=sys.stderr, flush=True)
    if message.get("method") == "textDocument/didOpen":
        uri = message["params"]["textDocument"]["uri"]
        wrong = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}, "message": "no"}
        say({"method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": [wrong]}})
        say({"id": "q", "method": "workspace/configuration", "params": {"items": [{}, {}]}})
        say({"id": 7, "method": "client/registerCapability", "params": {}})
    if message.get("id") == "q":
        assert message["result"] == [None, None]
    if "id" in message and "method" in message:
        answer = answers.get(message["method"], {"result": {}})
        for line in answer.pop("flood", []):
            threading.Thread(target=lambda: [print("x" * 99, file=sys.stderr) for _ in range(10**9)], daemon=True).start()
        if "exit" in answer:
            print(answer.get("say", ""), file=sys.stderr, flush=True)
            os._exit(answer["exit"])
        if "hang" not in answer:
            say({"id": message["id"], **answer})
"""


@asynccontextmanager
async def stand_in(sandbox: Any, folder: str, answers: dict[str, Any]) -> AsyncIterator[Any]:
    files = {"server.py": (SERVER % json.dumps(answers)).encode(), "a.txt": b"text\n"}
    async with project(sandbox, folder, files, "text", ["python3", "server.py"]) as lsp:
        yield lsp


async def test_answers_of_every_shape_are_read(box: Callable[[], Any], folder: str) -> None:
    span = {"start": {"line": 0, "character": 1}, "end": {"line": 0, "character": 2}}
    edit = {"range": span, "newText": "n"}
    document = {"textDocument": {"uri": "file:///b", "version": 1}, "edits": [edit]}
    answers = {
        "textDocument/hover": {
            "result": {"contents": ["one", {"language": "py", "value": "two"}], "range": span}
        },
        "textDocument/definition": {
            "result": [{"targetUri": "file:///b", "targetRange": span, "targetSelectionRange": span}]
        },
        "textDocument/references": {"result": {"uri": "file:///b", "range": span}},
        "textDocument/rename": {
            "result": {"documentChanges": [{"kind": "create", "uri": "file:///c"}, document]}
        },
        "textDocument/codeAction": {
            "result": [
                {"title": "do", "command": "it"},
                {"title": "fix", "edit": {"changes": {"file:///b": [edit]}}},
            ]
        },
        "textDocument/formatting": {"result": None},
        "what/ever": {"result": [1, {"a": None}]},
    }
    async with box() as sandbox, stand_in(sandbox, folder, answers) as lsp:
        assert (await lsp.hover("a.txt", NAME)).text == "one\n\n```py\ntwo\n```"
        assert (
            places(await lsp.definition("a.txt", NAME))
            == places(await lsp.references("a.txt", NAME))
            == [("b", 0, 1)]
        )
        assert [one.new_text for one in (await lsp.rename("a.txt", NAME, "n")).changes["file:///b"]] == ["n"]
        assert [one.message for one in await lsp.diagnostics("a.txt")] == ["no"]
        whole = LspRange(start=LspPosition(0, 0), end=LspPosition(9, 0))
        done, fixed = await lsp.code_action("a.txt", whole)
        assert (done.command, list(fixed.edit.changes)) == ("it", ["file:///b"])
        assert await lsp.format("a.txt") == []
        assert await lsp.request("what/ever") == [1, {"a": None}]


async def test_a_server_that_ends_is_quoted_and_begun_anew(box: Callable[[], Any], folder: str) -> None:
    answers = {"textDocument/hover": {"exit": 1, "say": "out of ideas"}}
    async with box() as sandbox, stand_in(sandbox, folder, answers) as lsp:
        for _ in range(2):
            with pytest.raises(
                DaytonaLspServerNotInitializedError, match="ended with exit code 1: out of ideas"
            ):
                await lsp.hover("a.txt", NAME)
        assert await lsp.request("what/ever") == {}


async def test_a_server_that_hangs_is_given_up_and_told_so(box: Callable[[], Any], folder: str) -> None:
    answers = {"textDocument/hover": {"hang": True}, "last/one": {"exit": 3}}
    async with box() as sandbox, stand_in(sandbox, folder, answers) as lsp:
        await lsp.request("what/ever")
        with pytest.raises(DaytonaTimeoutError, match="Failed to get hover: "):
            await lsp.hover("a.txt", NAME, request_timeout=0.5)
        assert await lsp.request("what/ever") == {}
        with pytest.raises(DaytonaLspServerNotInitializedError, match="exit code 3: cancelled 3"):
            await lsp.request("last/one")
        assert await lsp.request("what/ever") == {}


async def test_a_server_that_floods_its_error_output_is_heard(box: Callable[[], Any], folder: str) -> None:
    answers = {"initialize": {"result": {}, "flood": [1]}, "last/one": {"exit": 4}}
    async with box() as sandbox, stand_in(sandbox, folder, answers) as lsp:
        assert await lsp.request("what/ever") == {}
        with pytest.raises(DaytonaLspServerNotInitializedError, match=r"exit code 4: .*xxxx") as caught:
            await lsp.request("last/one")
        assert len(caught.value.message) < 3000
        assert await lsp.request("what/ever") == {}


MALFORMED = (
    r"Content-Length: 77\r\n\r\n"
    r'{"jsonrpc":"2.0","method":"textDocument/publishDiagnostics","params":{"a":1}}'
)
"""A message whose parameters are not those of its method."""


async def test_nonsense_and_missing_programs_are_told(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "755")
        before = await terminals(sandbox)
        cases = [
            (
                ["sh", "-c", "printf 'Hello!\\r\\n\\r\\n'; exec sleep 60"],
                DaytonaError,
                "does not speak the protocol",
            ),
            (
                ["sh", "-c", f"printf '{MALFORMED}'; exec sleep 60"],
                DaytonaError,
                "does not speak the protocol",
            ),
            (["nowhere-to-be-found"], DaytonaLspServerNotInitializedError, "nowhere-to-be-found"),
            (["true"], DaytonaLspServerNotInitializedError, "ended with exit code 0"),
            (None, DaytonaBadRequestError, "unsupported language: text"),
        ]
        for command, kind, words in cases:
            server = sandbox.create_lsp_server("text", folder, command=command)
            lsp = AwaitBlocking(server) if isinstance(server, LspServer) else server
            with pytest.raises(kind, match=words):
                await lsp.request("what/ever", request_timeout=20)
        assert await terminals(sandbox) <= before
        assert (await sandbox.process.exec("ls -d /tmp/lsp-* 2>/dev/null")).result == ""
