"""The language servers that people have: pylsp, TypeScript 7, and the server for older TypeScripts, on three faces."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import DaytonaBadRequestError, LspCompletionPosition, LspLanguageId, LspServer
from tests.behaviour.real_servers import PYLSP, put_pylsp, put_typescript
from tests.conftest import AwaitBlocking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.local.platform_process import Platform

SHAPES = b"""\
export class Circle {
  constructor(readonly radius: number) {}
  area(): number { return 3 * this.radius ** 2 }
}
const circle = new Circle(2)
circle.
"""
AFTER_CIRCLE = LspCompletionPosition(line=5, character=7)
GREETER = b"""\
class Greeter:
    def greet(self, name):
        return "Hello " + name


greeter = Greeter()
greeter.
"""
AFTER_GREETER = LspCompletionPosition(line=6, character=8)


@pytest.fixture(scope="module")
def typescript_7(platform: Platform, shared_id: str) -> str:
    """A directory with the compiler that is a language server itself."""
    return put_typescript(platform, shared_id, "typescript-7", "typescript@7")


@pytest.fixture(scope="module")
def typescript_6(platform: Platform, shared_id: str) -> str:
    """A directory with the language server for older compilers, and one of those."""
    return put_typescript(platform, shared_id, "typescript-6", "typescript-language-server@6", "typescript@6")


@pytest.fixture(scope="module")
def pylsp(platform: Platform, shared_id: str) -> list[str]:
    """The command of the server that the hosted platform uses."""
    put_pylsp(platform, shared_id)
    return PYLSP


@asynccontextmanager
async def serving(
    sandbox: Any, language: LspLanguageId, root: str, command: Sequence[str] | None = None
) -> AsyncIterator[Any]:
    server = sandbox.create_lsp_server(language, root, command=command)
    lsp = AwaitBlocking(server) if isinstance(server, LspServer) else server
    await lsp.start()
    try:
        yield lsp
    finally:
        await lsp.stop()


async def link(sandbox: Any, root: str) -> None:
    """Make a project with the packages of the directory it is in."""
    answer = await sandbox.process.exec(f"mkdir {root} && ln -s ../node_modules {root}/node_modules")
    assert answer.exit_code == 0, answer.result


async def check_typescript(sandbox: Any, root: str) -> None:
    """Let the server that a project finds in its `node_modules` answer everything."""
    await sandbox.fs.upload_file(SHAPES, f"{root}/src/shapes.ts")
    await sandbox.fs.upload_file(b'{"compilerOptions": {"strict": true}}', f"{root}/tsconfig.json")
    async with serving(sandbox, LspLanguageId.TYPESCRIPT, root) as lsp:
        found = await lsp.completions("src/shapes.ts", AFTER_CIRCLE)
        assert {"area", "radius"} <= {item.label for item in found.items}
        symbols = await lsp.document_symbols("src/shapes.ts")
        assert {"Circle", "area", "circle"} <= {symbol.name for symbol in symbols}
        (circle,) = [symbol for symbol in symbols if symbol.name == "Circle"]
        assert circle.location.uri == f"file://{root}/src/shapes.ts"
        assert "Circle" in {symbol.name for symbol in await lsp.sandbox_symbols("Circle")}
        at_the_top = await lsp.completions("src/shapes.ts", LspCompletionPosition(0, 0))
        assert "class" in {item.label for item in at_the_top.items}


async def test_typescript_7_answers(box: Callable[[], Any], typescript_7: str, folder: str) -> None:
    async with box() as sandbox:
        await link(sandbox, f"{typescript_7}/{folder}")
        await check_typescript(sandbox, f"{typescript_7}/{folder}")


@pytest.mark.faces("blocking")  # what differs is in the sandbox
async def test_older_typescripts_have_a_server_of_their_own(
    box: Callable[[], Any], typescript_6: str, folder: str
) -> None:
    async with box() as sandbox:
        await link(sandbox, f"{typescript_6}/{folder}")
        await check_typescript(sandbox, f"{typescript_6}/{folder}")


@pytest.mark.faces("trio")
async def test_javascript_is_served_too(box: Callable[[], Any], typescript_7: str, folder: str) -> None:
    async with box() as sandbox:
        root = f"{typescript_7}/{folder}"
        await link(sandbox, root)
        await sandbox.fs.upload_file(b"const point = {x: 1, y: 2}\npoint.\n", f"{root}/point.js")
        async with serving(sandbox, LspLanguageId.JAVASCRIPT, root) as lsp:
            found = await lsp.completions("point.js", LspCompletionPosition(1, 6))
            assert {"x", "y"} <= {item.label for item in found.items}


async def test_pylsp_answers_what_it_knows(box: Callable[[], Any], pylsp: list[str], folder: str) -> None:
    async with box() as sandbox:
        root = f"{await sandbox.get_user_home_dir()}/{folder}"
        await sandbox.fs.upload_file(GREETER, f"{folder}/greeter.py")
        async with serving(sandbox, LspLanguageId.PYTHON, root, pylsp) as lsp:
            found = await lsp.completions("greeter.py", AFTER_GREETER)
            assert "greet" in {item.label.partition("(")[0] for item in found.items}
            symbols = await lsp.document_symbols("greeter.py")
            assert {"Greeter", "greet", "greeter"} <= {symbol.name for symbol in symbols}
            with pytest.raises(DaytonaBadRequestError, match="Method Not Found"):
                await lsp.sandbox_symbols("Greeter")
