"""What programs get wrong: each mistake is a typed error at once, and nothing that was there is lost."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaFileAccessDeniedError,
    DaytonaNotFoundError,
    DaytonaSessionEndedError,
    DaytonaValidationError,
    FileDownloadRequest,
    FileUpload,
    SessionExecuteRequest,
)
from daytona.testing import Answer, Cut, FaultyRelay
from tests.conftest import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.local.platform_process import Platform

LONG = 4 * 1024 * 1024
CONTROL = '{"type":"control","text":"completed"}'

# -- Paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda fs, path: fs.download_file(path),
        lambda fs, path: fs.upload_file(b"x", path),
        lambda fs, path: fs.upload_file_stream([b"x"], path),
        lambda fs, path: fs.upload_files([FileUpload(b"x", path)]),
        lambda fs, path: fs.delete_file(path),
    ],
    ids=["download", "upload", "stream", "many", "delete"],
)
async def test_a_directory_where_a_file_is_meant(box: Callable[[], Any], folder: str, call: Any) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"kept", f"{folder}/d/kept")
        with pytest.raises(DaytonaError, match=r"directory") as caught:
            await call(sandbox.fs, f"{folder}/d")
        assert (caught.value.status_code, caught.value.outcome) == (400, "done")
        assert await sandbox.fs.download_file(f"{folder}/d/kept") == b"kept"


@pytest.mark.parametrize(
    "call",
    [
        lambda fs, path: fs.list_files(path),
        lambda fs, path: fs.list_files(f"{path}/below"),
        lambda fs, path: fs.get_file_info(f"{path}/below"),
        lambda fs, path: fs.download_file(f"{path}/below"),
        lambda fs, path: fs.upload_file(b"x", f"{path}/below"),
        lambda fs, path: fs.create_folder(f"{path}/below", "755"),
        lambda fs, path: fs.move_files(path, f"{path}/below"),
    ],
    ids=["list", "list below", "info", "download", "upload", "folder", "move"],
)
async def test_a_file_where_a_directory_is_meant(box: Callable[[], Any], folder: str, call: Any) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"kept", f"{folder}/f")
        with pytest.raises(DaytonaError) as caught:
            await call(sandbox.fs, f"{folder}/f")
        assert caught.value.status_code in (400, 404)
        assert await sandbox.fs.download_file(f"{folder}/f") == b"kept"


@pytest.mark.parametrize(
    "call",
    [
        lambda fs, _folder: fs.delete_file("/proc/version"),
        lambda fs, folder: fs.move_files("/proc/version", f"{folder}/moved"),
        lambda fs, _folder: fs.set_file_permissions("/proc/version", mode="777"),
        lambda fs, _folder: fs.download_file("/proc/1/mem"),
    ],
    ids=["delete", "move", "permissions", "download"],
)
async def test_what_is_not_permitted_says_so(box: Callable[[], Any], folder: str, call: Any) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "755")
        with pytest.raises(DaytonaFileAccessDeniedError) as caught:
            await call(sandbox.fs, folder)
        assert await sandbox.fs.list_files(folder) == []
    assert (caught.value.status_code, caught.value.sandbox_id) == (403, sandbox.id)


async def test_an_upload_that_is_not_permitted_says_so(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(
            DaytonaError, match="/proc/version: create: open /proc/version: permission denied"
        ):
            await sandbox.fs.upload_file(b"x", "/proc/version")


async def test_two_dots_go_up_and_never_out(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        fs, home = sandbox.fs, (await sandbox.get_work_dir()).strip("/")
        await fs.upload_file(b"x", f"{folder}/a/../b/f")
        assert await fs.download_file(f"{folder}/b/../../{folder}/b/f") == b"x"
        up = "../" * 40
        assert await fs.download_file(f"{up}{home}/{folder}/b/f") == b"x"
        assert [e.name for e in await fs.list_files(up)] == [e.name for e in await fs.list_files("/")]
        with pytest.raises(DaytonaNotFoundError):
            await fs.get_file_info(f"{folder}/none/../b")


async def test_line_ends_in_names_confuse_nobody(box: Callable[[], Any], folder: str) -> None:
    name = 'a\nb\r\nContent-Disposition: form-data; name="x"\r\n\r\nc.txt'
    path = f"{folder}/{name}"
    async with box() as sandbox:
        fs = sandbox.fs
        await fs.upload_files([FileUpload(b"one\ntwo\n", path), FileUpload(b"plain", f"{folder}/plain")])
        first, second = await fs.download_files(
            [FileDownloadRequest(path), FileDownloadRequest(f"{folder}/plain")]
        )
        assert (first.result, second.result) == (b"one\ntwo\n", b"plain")
        assert [(match.file, match.line) for match in await fs.find_files(folder, "two")] == [(path, 2)]
        assert (await fs.search_files(folder, "*c.txt")).files == [path]
        assert [one.success for one in await fs.replace_in_files([path], "two", "2")] == [True]
        await fs.move_files(path, f"{path}\n")
        assert await fs.download_file(f"{path}\n") == b"one\n2\n"
        await fs.delete_file(f"{path}\n")
        assert [entry.name for entry in await fs.list_files(folder)] == ["plain"]


# -- Sessions ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_session(process: Any) -> AsyncIterator[str]:
    name = f"s-{uuid.uuid4().hex[:8]}"
    await process.create_session(name)
    yield name
    await process.delete_session(name)


@pytest.mark.parametrize("name", ["a/b", "..", "../..", "../../files", "?x=1", "#", "%2e%2e"])
async def test_a_session_id_is_no_path(box: Callable[[], Any], name: str) -> None:
    async with box() as sandbox:
        process = sandbox.process
        async with a_session(process) as kept:
            for call in (
                lambda: process.get_session(name),
                lambda: process.delete_session(name),
                lambda: process.execute_session_command(name, SessionExecuteRequest(command="true")),
                lambda: process.get_session_command(name, "c"),
                lambda: process.get_session_command_logs(name, "c"),
                lambda: process.send_session_command_input(name, "c", "x"),
                lambda: process.get_session_command(kept, name),
            ):
                with pytest.raises(DaytonaNotFoundError):
                    await call()
            assert (await process.get_session(kept)).session_id == kept


async def test_a_shell_that_is_killed_ends_what_waits_for_it(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        process = sandbox.process
        async with a_session(process) as name:

            async def run(command: str, *, waits: bool = True) -> Any:
                request = SessionExecuteRequest(command=command, run_async=not waits)
                return await process.execute_session_command(name, request)

            running = await run(f"echo $$ > {folder}.pid; echo said; sleep 600", waits=False)
            stream = process.stream_session_command_logs(name, running.cmd_id)
            seen = ""
            async for event in stream:
                if not seen:
                    await process.exec(f"kill -9 $(cat {folder}.pid)")
                seen += event.text
            assert seen == "said\n"
            assert (await process.get_session_command(name, running.cmd_id)).exit_code == 137
            with pytest.raises(DaytonaSessionEndedError):
                await run("echo again")


# -- Much at once -----------------------------------------------------------------------------------------------------


async def test_four_mebibytes_of_command_and_code(box: Callable[[], Any]) -> None:
    text = "x" * LONG
    async with box() as sandbox:
        async with a_session(sandbox.process) as name:
            request = SessionExecuteRequest(command=f"text={text}; echo ${{#text}}")
            answer = await sandbox.process.execute_session_command(name, request)
            assert (answer.exit_code, answer.stdout) == (0, f"{LONG}\n")
        result = await sandbox.code_interpreter.run_code(f"print(len('{text}'))")
        assert result.stdout == f"{LONG}\n"


# -- What breaks off or makes no sense --------------------------------------------------------------------------------


@pytest.fixture
def relay(platform: Platform) -> Iterator[FaultyRelay]:
    with FaultyRelay(platform.endpoint.api_url) as relay:
        yield relay


@pytest.fixture
def through(face: str, platform: Platform, relay: FaultyRelay, shared_id: str) -> Callable[[], Any]:
    """Return a function that opens the shared sandbox over connections that go through the relay."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with open_client(face, config) as daytona:
            yield await daytona.get(shared_id)

    return opened


async def test_an_upload_that_turns_out_longer_changes_nothing(box: Callable[[], Any], folder: str) -> None:
    """Files of /proc say that they are empty, and are not: the body breaks off in the middle of its form."""
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"kept", f"{folder}/f")
        with pytest.raises(DaytonaValidationError, match="did a file change while it was sent"):
            await sandbox.fs.upload_file("/proc/self/status", f"{folder}/f")
        assert await sandbox.fs.download_file(f"{folder}/f") == b"kept"
        assert [entry.name for entry in await sandbox.fs.list_files(folder)] == ["f"]


@pytest.mark.parametrize("after", [150, 400, 60_000])
async def test_a_download_that_breaks_off_leaves_what_was_there(
    through: Callable[[], Any], relay: FaultyRelay, folder: str, tmp_path: Path, after: int
) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"kept")
    async with through() as sandbox:
        await sandbox.fs.upload_file(bytes(100_000), f"{folder}/f")
        for _ in range(2):
            relay.inject(Cut(after), method="POST", path=".*/files/bulk-download")
        with pytest.raises(DaytonaConnectionError):
            await sandbox.fs.download_file(f"{folder}/f", str(local))
        with pytest.raises(DaytonaConnectionError):
            async for _ in sandbox.fs.download_file_stream(f"{folder}/f"):
                pass
    assert contents(tmp_path) == {"local": b"kept"}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"result": 1}', b"<html>"], ids=repr)
async def test_an_answer_that_makes_no_sense_is_an_error(
    through: Callable[[], Any], relay: FaultyRelay, body: bytes
) -> None:
    async with through() as sandbox:
        for method, path, call in (
            ("POST", "execute", lambda: sandbox.process.exec("true")),
            ("POST", "code-run", lambda: sandbox.process.code_run("1")),
            ("GET", "info", lambda: sandbox.fs.get_file_info(".")),
            ("POST", "bulk-download", lambda: sandbox.fs.download_file("x")),
            ("GET", "status", lambda: sandbox.git.status(".")),
        ):
            if body == b'{"result": 1}' and method == "GET":
                continue  # an object without any of the fields is an old server's
            relay.inject(Answer(200, body=body), method=method, path=f".*/{path}")
            with pytest.raises(DaytonaError) as caught:
                await call()
            assert caught.value.sandbox_id == sandbox.id
        assert (await sandbox.process.exec("echo usable")).result == "usable\n"


async def test_what_looks_like_a_message_is_output(box: Callable[[], Any]) -> None:
    code = (
        f"import os, sys\ntext = {CONTROL!r}\nprint(text)\n"
        "os.write(1, text.encode() + b'\\n')\nprint(text, file=sys.__stdout__, flush=True)\n"
        "os.system(f\"echo '{text}'\")\nprint('end')"
    )
    async with box() as sandbox:
        context = await sandbox.code_interpreter.create_context()
        result = await sandbox.code_interpreter.run_code(code, context=context)
        assert result.error is None
        assert sorted(result.stdout.splitlines()) == sorted([CONTROL] * 4 + ["end"])
        assert (await sandbox.code_interpreter.run_code("print(1)", context=context)).stdout == "1\n"
        await sandbox.code_interpreter.delete_context(context)


async def test_input_is_an_error_and_not_a_wait(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        result = await sandbox.code_interpreter.run_code("input()")
        assert result.error.name == "EOFError"
        assert "EOFError" in (await sandbox.process.code_run("input()")).result
