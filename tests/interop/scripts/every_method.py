"""Calls every public method of the official clients' services inside a sandbox, on both faces.

Arguments: the address of a repository, its user and password. Prints one line of JSON: for each face, what each step saw,
and which methods it has not called.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import json
import sys
from functools import partial
from typing import Any

from daytona._async.code_interpreter import AsyncCodeInterpreter
from daytona._async.filesystem import AsyncFileSystem
from daytona._async.git import AsyncGit
from daytona._async.process import AsyncProcess
from daytona._sync.code_interpreter import CodeInterpreter
from daytona._sync.filesystem import FileSystem
from daytona._sync.git import Git
from daytona._sync.process import Process
from daytona.handle.async_pty_handle import AsyncPtyHandle
from daytona.handle.pty_handle import PtyHandle

from daytona import (
    AsyncDaytona,
    CodeRunParams,
    CreateSandboxFromImageParams,
    Daytona,
    FileDownloadRequest,
    FileUpload,
    Image,
    SessionExecuteRequest,
)
from daytona.common.pty import PtySize

URL, USER, PASSWORD = sys.argv[1:]
BLOCKING = (FileSystem, Git, Process, CodeInterpreter, PtyHandle)
ASYNCHRONOUS = (AsyncFileSystem, AsyncGit, AsyncProcess, AsyncCodeInterpreter, AsyncPtyHandle)


class Noting:
    """A service whose every use is written down."""

    def __init__(self, service: Any, used: set[str]) -> None:
        self._service = service
        self._used = used

    def __getattr__(self, name: str) -> Any:
        self._used.add(f"{type(self._service).__name__}.{name}")
        return getattr(self._service, name)


def public(classes: tuple[type, ...]) -> set[str]:
    return {f"{one.__name__}.{name}" for one in classes for name in vars(one) if not name.startswith("_")}


async def now(value: Any) -> Any:
    """Return what a call of either face comes to."""
    return await value if inspect.isawaitable(value) else value


async def collect(stream: Any) -> bytes:
    stream = await now(stream)
    return b"".join([piece async for piece in stream] if hasattr(stream, "__aiter__") else list(stream))


async def use_files(fs: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    await now(fs.create_folder("d/e", "755"))
    await now(fs.upload_file(b"one\ntwo\n", "d/a.txt"))
    await now(fs.upload_files([FileUpload(b"b", "d/b.txt"), FileUpload(b"c", "d/e/c.txt")]))
    await now(fs.upload_file_stream(io.BytesIO(b"stream"), "d/s.bin"))
    seen["list"] = [
        (one.name, one.is_dir, one.size) for one in await now(fs.list_files("d")) if not one.is_dir
    ]
    seen["depth"] = len(await now(fs.list_files("d", 2)))
    seen["find"] = [(one.line, one.content) for one in await now(fs.find_files("d", "two"))]
    seen["search"] = sorted((await now(fs.search_files("d", "*.txt"))).files)
    seen["replace"] = [one.success for one in await now(fs.replace_in_files(["d/a.txt"], "two", "2"))]
    await now(fs.set_file_permissions("d/a.txt", mode="600"))
    seen["info"] = (await now(fs.get_file_info("d/a.txt"))).permissions
    await now(fs.move_files("d/a.txt", "d/moved.txt"))
    seen["download"] = (await now(fs.download_file("d/moved.txt"))).decode()
    answers = await now(fs.download_files([FileDownloadRequest("d/b.txt"), FileDownloadRequest("d/none")]))
    seen["many"] = [answers[0].result.decode(), answers[1].error_details.code]
    seen["stream"] = (await collect(fs.download_file_stream("d/s.bin"))).decode()
    await now(fs.delete_file("d", recursive=True))
    return seen


async def use_git(git: Any, fs: Any, branch: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    await now(git.clone(URL, "r", username=USER, password=PASSWORD))
    await now(git.configure_user("Ann", "ann@example.com"))
    await now(git.dangerously_authenticate(USER, PASSWORD))
    await now(git.set_config("a.b", "c"))
    seen["config"] = await now(git.get_config("a.b"))
    await now(git.create_branch("r", branch))
    await now(fs.upload_file(b"new", "r/new.txt"))
    await now(git.add("r", ["new.txt"]))
    await now(git.restore("r", ["new.txt"], staged=True))
    seen["restored"] = [str(one.staging.value) for one in (await now(git.status("r"))).file_status]
    await now(git.add("r", ["."]))
    seen["commit"] = len((await now(git.commit("r", "new", "Ann", "ann@example.com"))).sha)
    await now(git.push("r", USER, PASSWORD, set_upstream=True))
    await now(git.pull("r", USER, PASSWORD))
    await now(git.reset("r", mode="hard", target="HEAD~1"))
    seen["behind"] = (await now(git.status("r"))).behind
    await now(git.checkout_branch("r", "main"))
    await now(git.delete_branch("r", branch))
    seen["branches"] = (await now(git.branches("r"))).branches
    await now(git.init("made", initial_branch="trunk"))
    await now(git.remote_add("made", "up", URL))
    seen["remotes"] = [one.name for one in (await now(git.remotes("made"))).remotes]
    seen["remote"] = await now(git.remote_get("made", "up")) == URL
    return seen


async def use_process(process: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    seen["exec"] = (await now(process.exec("echo $A; pwd", cwd="/tmp", env={"A": "b"}, timeout=60))).result
    code = "import sys; print(sys.argv[1:])"
    seen["code"] = (await now(process.code_run(code, CodeRunParams(argv=["x"])))).result
    await now(process.create_session("s"))
    done = await now(
        process.execute_session_command("s", SessionExecuteRequest(command="echo o; echo e >&2; (exit 4)"))
    )
    seen["command"] = [done.exit_code, done.stdout, done.stderr]
    started = await now(
        process.execute_session_command(
            "s", SessionExecuteRequest(command="read x; echo got $x", run_async=True)
        )
    )
    await now(process.send_session_command_input("s", started.cmd_id, "word\n"))
    out: list[str] = []
    # A coroutine on both faces.
    await process.get_session_command_logs_async("s", started.cmd_id, out.append, out.append)
    seen["logs"] = "".join(out)
    seen["asked"] = (await now(process.get_session_command_logs("s", started.cmd_id))).stdout
    seen["exit code"] = (await now(process.get_session_command("s", started.cmd_id))).exit_code
    seen["session"] = [one.exit_code for one in (await now(process.get_session("s"))).commands]
    seen["sessions"] = [one.session_id for one in await now(process.list_sessions())]
    await now(process.delete_session("s"))
    entry: list[str] = []
    await process.get_entrypoint_logs_async(entry.append, entry.append)
    seen["entrypoint"] = sorted("".join(entry).split())
    seen["entrypoint asked"] = (await now(process.get_entrypoint_logs())).stderr
    seen["entrypoint session"] = [
        [one.id, one.exit_code] for one in (await now(process.get_entrypoint_session())).commands
    ]
    return seen


async def use_terminals(process: Any, used: set[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    data: list[bytes] = []
    watching: dict[str, Any] = {}
    if isinstance(process._service, AsyncProcess):
        watching["on_data"] = data.append
    pty = Noting(
        await now(process.create_pty_session("t", cwd="/tmp", pty_size=PtySize(rows=9, cols=33), **watching)),
        used,
    )
    await now(pty.wait_for_connection())
    seen["there"] = [pty.session_id, pty.is_connected() if callable(pty.is_connected) else pty.is_connected]
    size = await now(process.resize_pty_session("t", PtySize(rows=7, cols=8)))
    size = [size.rows, size.cols]
    again = await now(pty.resize(PtySize(rows=5, cols=6)))
    seen["sizes"] = [size, [again.rows, again.cols]]
    seen["list"] = [one.id for one in await now(process.list_pty_sessions())]
    seen["info"] = (await now(process.get_pty_session_info("t"))).cwd
    await now(pty.disconnect())
    pty = Noting(await now(process.connect_pty_session("t", **watching)), used)
    await now(pty.send_input("exit 3\n"))
    seen["ended"] = [(await now(pty.wait())).exit_code, pty.exit_code, pty.error]
    pty = Noting(await now(process.create_pty_session("u", **watching)), used)
    await now(pty.kill())
    seen["killed"] = (await now(pty.wait())).exit_code
    await now(process.create_pty_session("v", **watching))
    await now(process.kill_pty_session("v"))
    seen["left"] = [one.id for one in await now(process.list_pty_sessions())]
    return seen


async def use_interpreter(interpreter: Any) -> dict[str, Any]:
    context = await now(interpreter.create_context("/tmp"))
    result = await now(interpreter.run_code("import os\nprint(os.getcwd())", context=context))
    listed = [one.id for one in await now(interpreter.list_contexts())] == [context.id]
    await now(interpreter.delete_context(context))
    return {"run": result.stdout, "listed": listed, "left": len(await now(interpreter.list_contexts()))}


async def use(daytona: Any, face: str, classes: tuple[type, ...]) -> dict[str, Any]:
    """Return what each step saw, and what was left out."""
    image = Image.base("debian:12").entrypoint(["sh", "-c", "echo out; echo err >&2; exit 2"])
    sandbox = await now(daytona.create(CreateSandboxFromImageParams(image=image)))
    used: set[str] = set()
    noting = partial(Noting, used=used)
    try:
        return {
            "files": await use_files(noting(sandbox.fs)),
            "git": await use_git(noting(sandbox.git), sandbox.fs, face),
            "process": await use_process(noting(sandbox.process)),
            "terminals": await use_terminals(noting(sandbox.process), used),
            "interpreter": await use_interpreter(noting(sandbox.code_interpreter)),
            "left out": sorted(public(classes) - used),
        }
    finally:
        await now(sandbox.delete())


async def both() -> dict[str, Any]:
    seen = {"blocking": await use(Daytona(), "blocking", BLOCKING)}
    async with contextlib.AsyncExitStack() as stack:
        seen["asynchronous"] = await use(
            await stack.enter_async_context(AsyncDaytona()), "asynchronous", ASYNCHRONOUS
        )
    return seen


print(json.dumps(asyncio.run(both())))
