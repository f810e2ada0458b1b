"""The documented examples, word for word: on asyncio and trio as they are, blocking without `async` and `await`.

A snippet runs with the names in scope that its text takes for granted, and with the files it speaks of.
"""

from __future__ import annotations

import inspect
import os
import re
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import daytona
from daytona import AsyncDaytona, Daytona, DaytonaConfig, DaytonaNotSupportedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.local.platform_process import Platform

SNIPPETS = Path(__file__).parent / "snippets"

LATER = {
    "ssh = await sandbox.create_ssh_access(expires_in_minutes=60)": "this version serves no SSH",
}
"""Lines that run with a later version; until then they end with `DaytonaNotSupportedError`."""

NOT_TAKEN = {
    "AsyncGit": "it names repositories on a public host; tests/behaviour/test_git.py makes the calls on one here",
    "AsyncProcess, sessions": "tests/behaviour/test_sessions.py makes the calls",
    "AsyncComputerUse": "tests/behaviour/test_computer_use.py makes the calls, where there is an X server",
    "AsyncSnapshotService": "its image needs a package index; no test of this version makes these calls",
    "AsyncVolumeService": "tests/behaviour/test_volumes.py makes the calls",
    "AsyncObjectStorage": "tests/behaviour/test_object_storage.py makes the calls",
}
"""Examples of the documentation that are not in `snippets`, and why."""


def _lines(name: str) -> str:
    """Return a snippet without the lines that come later."""
    text = (SNIPPETS / f"{name}.txt").read_text()
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() not in LATER)


async def _run(face: str, text: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run *text* as a person would on this face, and return the variables that it leaves."""
    if face == "blocking":
        text = (
            re.sub(r"\b(async|await) ", "", text)
            .replace("AsyncDaytona", "Daytona")
            .replace("AsyncLsp", "Lsp")
        )
    body = textwrap.indent(text, "    ")
    source = f"{'' if face == 'blocking' else 'async '}def snippet({', '.join(names)}):\n{body}\n    return locals()\n"
    scope = {name: getattr(daytona, name) for name in daytona.__all__}
    exec(source, scope)
    return await _now(scope["snippet"](**names))


@asynccontextmanager
async def _client(face: str, platform: Platform) -> AsyncIterator[Any]:
    """Yield a client of *face* as it is, without the wrapper that other tests use."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)
    client: Any = Daytona(config) if face == "blocking" else AsyncDaytona(config)
    try:
        yield client
    finally:
        await _now(client.close())


async def _now(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


@asynccontextmanager
async def _sandbox(face: str, platform: Platform) -> AsyncIterator[Any]:
    async with _client(face, platform) as client:
        sandbox = await _now(client.create())
        try:
            yield sandbox
        finally:
            await _now(sandbox.delete())


async def _prepare(sandbox: Any, script: str) -> None:
    answer = await _now(sandbox.process.exec(script))
    assert answer.exit_code == 0, answer.result


async def test_daytona(face: str, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYTONA_API_URL", platform.endpoint.api_url)

    def config(api_key: str) -> DaytonaConfig:
        assert api_key == "key", "a placeholder, in whose place goes the reader's own"
        return DaytonaConfig(api_key=platform.endpoint.api_key)

    left = await _run(face, _lines("daytona"), {"DaytonaConfig": config})
    sandbox = left["sandbox"]
    assert (sandbox.cpu, sandbox.memory, sandbox.auto_stop_interval) == (2, 4, 15)
    assert sandbox.env == {"DEBUG": "true"}
    answer = platform.api("GET", f"/sandbox/{sandbox.id}")
    assert answer.status == 404 or answer.json["desiredState"] == "destroyed"


async def test_sandbox(face: str, platform: Platform) -> None:
    made = platform.create(name="sandbox-id")
    try:
        async with _client(face, platform) as client:
            left = await _run(face, _lines("sandbox"), {"daytona": client})
            assert left["sandbox"].id == made["id"]
            assert left["sandbox"].auto_stop_interval == 60
            assert left["home"].startswith("/")
            assert left["preview"].token
            assert "3000" in left["preview"].url
            assert type(left["lsp"]).__name__ == ("LspServer" if face == "blocking" else "AsyncLspServer")
    finally:
        platform.api("DELETE", f"/sandbox/{made['id']}")


@pytest.mark.parametrize("line", LATER)
async def test_a_line_that_comes_later_says_so(face: str, platform: Platform, line: str) -> None:
    assert any(line in path.read_text() for path in SNIPPETS.iterdir())
    async with _sandbox(face, platform) as sandbox:
        with pytest.raises(DaytonaNotSupportedError):
            await _run(face, line, {"sandbox": sandbox})


def _write_local() -> None:
    Path("local.txt").write_bytes(b"large\n" * 100_000)


def _check_local() -> None:
    assert Path("local.txt").read_bytes() == b"large\n" * 100_000
    assert os.listdir() == ["local.txt"]


async def test_filesystem(
    face: str, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_local()
    async with _sandbox(face, platform) as sandbox:
        await _prepare(
            sandbox,
            "mkdir -p workspace/src; echo '# TODO: this' > workspace/src/a.py; echo 'old old' > file1.py\n"
            "echo 'nothing' > file2.py; echo moved > old_name.txt; touch script.sh\n"
            'echo "user:x:$(id -u):$(id -g)::/:/bin/sh" >> /etc/passwd',
        )
        left = await _run(face, _lines("filesystem"), {"sandbox": sandbox})
        after = await _now(sandbox.process.exec("cat file1.py new_name.txt; stat -c '%a %U' script.sh"))
    assert left["content"] == b"content"
    assert [entry.name for entry in left["files"]] == ["data", "src"]
    assert [(match.file, match.line) for match in left["matches"]] == [("workspace/src/a.py", 1)]
    assert [result.success for result in left["results"]] == [True, True]
    assert after.result.startswith("new new\nmoved\n755 ")
    _check_local()


async def test_exec(face: str, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    async with _sandbox(face, platform) as sandbox:
        await _prepare(sandbox, "mkdir -p workspace/src; touch workspace/src/main.py")
        await _run(face, _lines("exec"), {"sandbox": sandbox})
    assert capsys.readouterr().out == "main.py\n\n"


async def test_code_run(face: str, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    async with _sandbox(face, platform) as sandbox:
        left = await _run(face, _lines("code_run"), {"sandbox": sandbox})
    assert (left["response"].exit_code, left["response"].result) == (0, "6\n")
    assert capsys.readouterr().out == ""


async def test_pty(face: str, platform: Platform) -> None:
    async with _sandbox(face, platform) as sandbox:
        await _prepare(sandbox, "mkdir -p /workspace")
        left = await _run(face, _lines("pty"), {"sandbox": sandbox})
        assert (left["info"].id, left["info"].cwd, left["info"].active) == ("term", "/workspace", True)
        assert (left["info"].rows, left["info"].cols) == (40, 150)
        assert await _now(sandbox.process.list_pty_sessions()) == []


async def test_code_interpreter(face: str, platform: Platform) -> None:
    async with _sandbox(face, platform) as sandbox:
        left = await _run(face, _lines("code_interpreter"), {"sandbox": sandbox})
    assert (left["result"].stdout, left["result"].error) == ("100\n", None)
    assert left["contexts"] == []


async def test_lsp(face: str, platform: Platform) -> None:
    root = "/absolute/path/to/project"
    async with _sandbox(face, platform) as sandbox:
        await _prepare(
            sandbox,
            f"mkdir -p {root}/src; cd {root}/src; for i in 1 2 3 4 5 6 7 8 9; do echo >> main.py; done\n"
            "echo 'class MyClass: attribute = 1' >> main.py; echo 'res = MyClass.a' >> main.py",
        )
        left = await _run(face, _lines("lsp"), {"api_client": sandbox})
    assert [symbol.name for symbol in left["symbols"]] == ["MyClass"]
    assert "attribute" in [item.label for item in left["completions"].items]
