"""The documented examples, word for word: on asyncio and trio as they are, blocking without `async` and `await`.

A snippet runs with the names in scope that its text takes for granted, and with the files it speaks of.
"""

from __future__ import annotations

import base64
import inspect
import os
import re
import shutil
import struct
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import daytona
from daytona import (
    AsyncDaytona,
    AsyncObjectStorage,
    CreateSnapshotParams,
    Daytona,
    DaytonaConfig,
    DaytonaNotFoundError,
    ObjectStorage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.local.platform_process import Platform

SNIPPETS = Path(__file__).parent / "snippets"

DESKTOP = [program for program in ("Xvfb", "openbox", "ffmpeg") if shutil.which(program) is None]


def _lines(name: str) -> str:
    return (SNIPPETS / f"{name}.txt").read_text()


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


REPOSITORIES = """
git config --global user.name seed && git config --global user.email seed@example.com
for name in repo private; do
    git init -q --bare -b develop /srv/hub/user/$name.git
    git clone -q /srv/hub/user/$name.git /srv/$name 2>/dev/null
    cd /srv/$name; git checkout -q -b develop; mkdir src; echo a > file.txt; echo b > src/main.py
    git add .; git commit -qm first; git push -q origin develop
done
git config --global url./srv/hub/.insteadOf https://github.com/
"""
CHANGES = "echo changed >> workspace/repo/file.txt; git -C workspace/repo branch old-feature"


async def test_git(face: str, platform: Platform) -> None:
    """The public host's repositories are ones in the sandbox, by git's own setting for that."""
    clones, rest = _split_after(_lines("git"), "private.git")
    async with _sandbox(face, platform) as sandbox:
        await _prepare(sandbox, REPOSITORIES)
        await _run(face, clones, {"sandbox": sandbox})
        await _prepare(sandbox, CHANGES)
        left = await _run(face, rest, {"sandbox": sandbox})
        pushed = await _now(
            sandbox.process.exec("git -C /srv/hub/user/repo.git log -1 --format='%an <%ae> %s'")
        )
    assert pushed.result == "John <john@example.com> Update docs\n"
    status = left["status"]
    assert (status.current_branch, status.ahead, status.behind) == ("develop", 0, 0)
    assert status.branch_published
    assert sorted(left["branches"].branches) == ["develop", "old-feature"]


def _split_after(text: str, word: str) -> tuple[str, str]:
    """Cut a snippet after the line that holds *word*: somebody edits files there."""
    lines = text.splitlines(keepends=True)
    (place,) = (number for number, line in enumerate(lines, 1) if word in line)
    return "".join(lines[:place]), "".join(lines[place:])


class _LastCommand:
    """The processes of a sandbox, with the id of the last command in a session for the placeholder "cmd-id"."""

    def __init__(self, sandbox: Any, platform: Platform) -> None:
        self._process = sandbox.process
        self._session = f"/toolbox/{sandbox.id}/process/session/my-session"
        self._platform = platform

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._process, name)
        return lambda *arguments: method(*(map(self._filled_in, arguments)))

    def _filled_in(self, argument: Any) -> Any:
        if argument != "cmd-id":
            return argument
        return self._platform.call("GET", self._session).json["commands"][-1]["id"]


async def test_sessions(face: str, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    async with _sandbox(face, platform) as sandbox:
        await _prepare(sandbox, "mkdir /workspace; echo content > /workspace/file.txt")
        process = _LastCommand(sandbox, platform)
        left = await _run(face, _lines("sessions"), {"sandbox": SimpleNamespace(process=process)})
        assert await _now(sandbox.process.list_sessions()) == []
    assert (left["result"].stdout, left["logs"].stdout) == ("content\n", "content\n")
    assert capsys.readouterr().out == "content\n  0\n[OUT]: content\n\n"


@pytest.mark.skipif(bool(DESKTOP), reason=f"needs the programs {' '.join(DESKTOP)}")
async def test_computer_use(
    face: str, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with _sandbox(face, platform) as sandbox:
        await _now(sandbox.computer_use.start())
        earlier = await _now(sandbox.computer_use.recording.start("earlier"))
        await _now(sandbox.computer_use.recording.stop(earlier.id))
        left = await _run(face, _lines("computer_use"), {"sandbox": sandbox, "recording_id": earlier.id})
    assert _png_size(left["screenshot"].screenshot) == (300, 200)
    assert base64.b64decode(left["compressed"].screenshot).startswith(b"\xff\xd8"), "a JPEG begins so"
    assert {each.id for each in left["recordings"].recordings} == {earlier.id, left["recording"].id}
    assert _size_of("local.mp4") > 0


def _png_size(encoded: str) -> tuple[int, int]:
    return struct.unpack(">II", base64.b64decode(encoded)[16:24])


def _size_of(name: str) -> int:
    return Path(name).stat().st_size


async def test_snapshots(face: str, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line activates what the line before has deleted, and is told so; it works on an inactive snapshot."""
    async with _client(face, platform) as client:
        kept = await _now(client.snapshot.create(CreateSnapshotParams(name="snapshot-name", image="host")))
        with pytest.raises(DaytonaNotFoundError, match="Failed to activate snapshot: "):
            await _run(face, _lines("snapshots"), {"daytona": client})
        assert "numpy" in capsys.readouterr().out
        assert platform.api("GET", "/snapshots/my-snapshot").status == 404
        await _now(client.snapshot.deactivate(kept))
        platform.let_rest(kept.id)
        await _run(face, _lines("snapshots").splitlines()[-1], {"daytona": client, "snapshot": kept})
        assert (await _now(client.snapshot.get("snapshot-name"))).state == "active"
        await _now(client.snapshot.delete(kept))


async def test_volumes(face: str, platform: Platform) -> None:
    """The names in the last line are put there by a reader; a sandbox is made with them."""
    async with _client(face, platform) as client:
        left = await _run(face, _lines("volumes"), {"daytona": client})
        names = [volume.name for volume in await _now(client.volume.list())]
        assert ("volume-name" in names, "new-volume" in names) == (True, False)
        await _now(client.volume.create("vol-id"))
        sandbox = await _now(client.create(left["params"]))
        await _prepare(sandbox, "echo shared > /data/file")
        await _now(sandbox.delete(wait=True))
        for name in ("volume-name", "vol-id"):
            await _now(client.volume.delete(await _now(client.volume.get(name))))


async def test_object_storage(
    face: str, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local_file.tar").write_bytes(b"an archive")  # noqa: ASYNC240
    access = platform.api("GET", "/object-storage/push-access").json
    kind = ObjectStorage if face == "blocking" else AsyncObjectStorage
    keys = (access["accessKey"], access["secret"], access["sessionToken"])
    storage: Any = kind(access["storageUrl"], *keys, access["bucket"], region=access["region"])
    left = await _run(
        face,
        _lines("object_storage").replace("org-id", access["organizationId"]),
        {"storage": storage},
    )
    stored = platform.paths.objects / access["bucket"] / access["organizationId"] / left["hash"]
    assert b"an archive" in stored.joinpath("context.tar").read_bytes()
