"""Calls every public method of the official client's services, found by looking, on the face that its argument names.

Prints one line of JSON: the methods there are, those that were called and what became of each: null, or the error. Desktops
have a script of their own, and `ObjectStorage` refuses stores without TLS. Of an older client those methods are called that it
has, with the arguments that it knows.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
import uuid
from typing import Any
from urllib.request import Request, urlopen

from daytona import (
    AsyncDaytona,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    Daytona,
    FileDownloadRequest,
    FileUpload,
    Image,
    Resources,
    SessionExecuteRequest,
    VolumeMount,
)
from daytona.common.lsp_server import LspCompletionPosition
from daytona.common.pty import PtySize

try:
    from daytona.common.secret import CreateSecretParams, UpdateSecretParams
except ImportError:  # before 0.205
    CreateSecretParams = UpdateSecretParams = None

SERVICES = {
    "daytona": "Daytona",
    "sandbox": "Sandbox",
    "filesystem": "FileSystem",
    "git": "Git",
    "process": "Process",
    "code_interpreter": "CodeInterpreter",
    "lsp_server": "LspServer",
    "snapshot": "SnapshotService",
    "volume": "VolumeService",
    "secret": "SecretService",
    "warm_pool": "WarmPoolService",
}
NOT_OURS = {"model_post_init"}  # pydantic's

FACE = sys.argv[1]
UNIQUE = uuid.uuid4().hex[:8]
outcomes: dict[str, str | None] = {}
"""What became of the calls of each method that was called; a success counts more than an error."""


def note(name: str, error: BaseException | None) -> None:
    if error is None:
        outcomes[name] = None
    else:
        outcomes.setdefault(name, f"{type(error).__name__}: {error}")


def watched(name: str, method: Any) -> Any:
    """Return a method that notes its calls."""

    async def awaited(result: Any) -> Any:
        try:
            found = await result
        except BaseException as error:
            note(name, error)
            raise
        note(name, None)
        return found

    known = inspect.signature(method).parameters

    def call(*args: Any, **kwargs: Any) -> Any:
        if not any(one.kind is one.VAR_KEYWORD for one in known.values()):
            kwargs = {name: value for name, value in kwargs.items() if name in known}
        try:
            result = method(*args, **kwargs)
        except BaseException as error:
            note(name, error)
            raise
        if inspect.iscoroutine(result):
            return awaited(result)
        note(name, None)
        return result

    return call


def watch_everything() -> list[str]:
    """Watch every public method, and return their names."""
    names: list[str] = []
    for module, service in SERVICES.items():
        if (found := class_of(module, service)) is None:
            continue
        for name, member in list(vars(found).items()):
            function = member.__func__ if isinstance(member, staticmethod) else member
            if name.startswith("_") or name in NOT_OURS or not inspect.isfunction(function):
                continue
            names.append(f"{service}.{name}")
            wrapped = watched(names[-1], function)
            setattr(
                found, name, staticmethod(wrapped) if isinstance(member, staticmethod) else method_of(wrapped)
            )
    return names


def class_of(module: str, service: str) -> Any:
    """Return the class of a service, None where this version has no such service."""
    try:
        return getattr(importlib.import_module(f"daytona._{FACE}.{module}"), CLASS_PREFIX + service)
    except ModuleNotFoundError:
        return None


class Older:
    """A service of which methods that it has not yet do nothing."""

    def __init__(self, service: Any) -> None:
        self.itself = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self.itself, name, lambda *_args, **_kwargs: None)


def method_of(call: Any) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call(self, *args, **kwargs)

    return method


CLASS_PREFIX = "Async" if FACE == "async" else ""


async def go(result: Any) -> Any:
    """Return a result of either face."""
    return await result if inspect.isawaitable(result) else result


async def each(items: Any) -> list[Any]:
    """Return the items of an iterator of either face."""
    items = await go(items)
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)


async def attempt(call: Any) -> None:
    """Call what is expected to be refused."""
    try:
        await go(call())
    except Exception as error:
        del error


async def use_files(fs: Any) -> None:
    await go(fs.create_folder("d", "755"))
    await go(fs.upload_file(b"one", "d/one"))
    await go(fs.upload_files([FileUpload(b"two", "d/two")]))
    await go(fs.upload_file_stream(b"three", "d/three"))
    await go(fs.download_file("d/one"))
    await go(fs.download_files([FileDownloadRequest("d/two")]))
    await each(fs.download_file_stream("d/three"))
    await go(fs.find_files("d", "o"))
    await go(fs.search_files("d", "t*"))
    await go(fs.replace_in_files(["d/one"], "one", "1"))
    await go(fs.get_file_info("d/one"))
    await go(fs.list_files("d"))
    await go(fs.set_file_permissions("d/one", mode="600"))
    await go(fs.move_files("d/one", "d/moved"))
    await go(fs.delete_file("d", recursive=True))


OLDER_GIT = (
    "git init -q --bare -b main origin && git init -q -b main r"
    " && cd r && git remote add origin ~/origin && git config push.autoSetupRemote true"
)
"""What is said with git itself where the client has no words for it."""


async def use_git(sandbox: Any) -> None:
    git, fs = Older(sandbox.git), sandbox.fs
    if not hasattr(sandbox.git, "init"):
        await go(sandbox.process.exec(OLDER_GIT))
    await go(git.init("origin", bare=True, initial_branch="main"))
    await go(git.init("r", initial_branch="main"))
    await go(git.configure_user("Me", "me@example.com"))
    await go(git.set_config("core.pager", "cat"))
    await go(git.get_config("core.pager"))
    await go(fs.upload_file(b"1", "r/f"))
    await go(git.add("r", ["f"]))
    await go(git.commit("r", "one", "Me", "me@example.com"))
    await go(git.remote_add("r", "origin", "/home/daytona/origin"))
    await go(git.remotes("r"))
    await go(git.remote_get("r", "origin"))
    await go(git.push("r", remote="origin", branch="main", set_upstream=True))
    await go(git.pull("r"))
    await go(git.clone("/home/daytona/origin", "c"))
    await go(git.create_branch("r", "b"))
    await go(git.checkout_branch("r", "main"))
    await go(git.branches("r"))
    await go(git.delete_branch("r", "b"))
    await go(fs.upload_file(b"2", "r/f"))
    await go(git.status("r"))
    await go(git.restore("r", ["f"]))
    await go(git.reset("r", mode="hard"))
    await go(git.dangerously_authenticate("me", "token", host="git.example"))


async def use_processes(process: Any) -> None:
    def ignore(_text: str) -> None:
        pass

    await go(process.exec("true"))
    await go(process.code_run("print(1)"))
    await go(process.create_session("s"))
    run = SessionExecuteRequest(command="read line; echo $line", run_async=True)
    command = (await go(process.execute_session_command("s", run))).cmd_id
    await go(process.send_session_command_input("s", command, "hello\n"))
    await process.get_session_command_logs_async("s", command, ignore, ignore)
    await go(process.get_session_command_logs("s", command))
    await go(process.get_session_command("s", command))
    await go(process.get_session("s"))
    await go(process.list_sessions())
    await go(process.delete_session("s"))
    # A sandbox without a program of its own has no session of it.
    await attempt(process.get_entrypoint_session)
    await attempt(process.get_entrypoint_logs)
    await attempt(lambda: asyncio.wait_for(process.get_entrypoint_logs_async(ignore, ignore), 5))
    await use_terminals(process)


async def use_terminals(process: Any) -> None:
    more = {"on_data": lambda _data: None} if FACE == "async" else {}
    first = await go(process.create_pty_session("p", **more))
    await go(process.list_pty_sessions())
    await go(process.get_pty_session_info("p"))
    await go(process.resize_pty_session("p", PtySize(rows=5, cols=50)))
    await go(first.disconnect())
    second = await go(process.connect_pty_session("p", **more))
    await go(process.kill_pty_session("p"))
    await go(second.disconnect())


async def use_interpreter(python: Any) -> None:
    context = await go(python.create_context())
    await go(python.run_code("1", context=context))
    await go(python.list_contexts())
    await go(python.delete_context(context))


async def use_language_server(sandbox: Any) -> None:
    await go(sandbox.fs.create_folder("project", "755"))
    await go(sandbox.fs.upload_file(b"def f():\n    return 1\n\nf\n", "project/a.py"))
    server = sandbox.create_lsp_server("python", "project")
    await go(server.start())
    await go(server.did_open("project/a.py"))
    await go(server.document_symbols("project/a.py"))
    await go(server.sandbox_symbols("f"))
    await go(server.workspace_symbols("f"))
    await go(server.completions("project/a.py", LspCompletionPosition(line=3, character=1)))
    await go(server.did_close("project/a.py"))
    await go(server.stop())


async def change_settings(sandbox: Any) -> None:
    await go(sandbox.refresh_data())
    await go(sandbox.set_labels({"a": "b"}))
    await go(sandbox.set_public(True))
    await go(sandbox.set_autostop_interval(0))
    await go(sandbox.set_auto_pause_interval(0))
    await go(sandbox.set_autostop_interval(30))
    await go(sandbox.set_auto_archive_interval(60))
    await go(sandbox.set_auto_delete_interval(-1))
    await go(sandbox.set_ttl(600))
    await go(sandbox.update_network_settings(network_block_all=False))
    await go(sandbox.update_env({"A": "b"}, unset=["C"]))
    await go(sandbox.refresh_activity())


async def reach_in(sandbox: Any) -> None:
    await go(sandbox.get_user_home_dir())
    await go(sandbox.get_user_root_dir())
    await go(sandbox.get_work_dir())
    await go(sandbox.get_metrics_latest())
    await go(sandbox.get_metrics())
    await go(sandbox.get_preview_link(8000))
    signed = await go(sandbox.create_signed_preview_url(8000, 60))
    await go(sandbox.expire_signed_preview_url(8000, signed.token))
    access = await go(sandbox.create_ssh_access(5))
    await go(sandbox.validate_ssh_access(access.token))
    await go(sandbox.revoke_ssh_access(access.token))
    await go(sandbox.download_url("a"))
    await go(sandbox.upload_url("a"))
    await go(sandbox.rotate_signing_key())


async def live(daytona: Any, sandbox: Any) -> None:
    await go(sandbox.resize(Resources(cpu=2)))
    await go(sandbox.wait_for_resize_complete())
    if hasattr(sandbox.itself, "pause"):
        await go(sandbox.pause())
        assert sandbox.state == "paused", sandbox.state
        await go(sandbox.start())
    await attempt(sandbox.recover)
    if hasattr(sandbox.itself, "fork"):
        child = await go(sandbox.fork(f"fork-{UNIQUE}"))
        await go(child.delete(wait=True))
        await go(sandbox.create_snapshot(f"taken-{UNIQUE}"))
        await go(daytona.snapshot.delete(await go(daytona.snapshot.get(f"taken-{UNIQUE}"))))
    await go(daytona.stop(sandbox.itself))
    await go(sandbox.wait_for_sandbox_stop())
    await go(daytona.start(sandbox.itself))
    await go(sandbox.wait_for_sandbox_start())
    await go(sandbox.stop())
    await go(sandbox.start())
    await go(sandbox.stop())
    await go(sandbox.archive())


def deactivate(snapshot_id: str) -> None:
    """Make a snapshot inactive, for which the client has no method."""
    url = f"{os.environ['DAYTONA_API_URL']}/snapshots/{snapshot_id}/deactivate"
    key = {"Authorization": f"Bearer {os.environ['DAYTONA_API_KEY']}"}
    with urlopen(Request(url, method="POST", headers=key)):
        pass


async def use_snapshots(snapshots: Any) -> None:
    params = CreateSnapshotParams(name=f"made-{UNIQUE}", image=Image.base("host").env({"A": "b"}))
    made = await go(snapshots.create(params, on_logs=lambda _line: None))
    await go(snapshots.list())
    await go(snapshots.get(made.name))
    deactivate(made.id)
    await attempt(lambda: snapshots.activate(made))
    await go(snapshots.delete(made))


async def use_pools(daytona: Any) -> None:
    name = (await go(daytona.snapshot.list())).items[-1].name
    pool = await go(daytona.warm_pool.create(name, 1))
    await go(daytona.warm_pool.list())
    await go(daytona.warm_pool.update(pool.id, 0))
    await go(daytona.warm_pool.delete(pool.id))


async def use_secrets(secrets: Any, sandbox: Any) -> None:
    secret = await go(secrets.create(CreateSecretParams(name=f"secret_{UNIQUE}", value="v")))
    await go(secrets.get(secret.id))
    await go(secrets.list())
    await go(secrets.update(secret.id, UpdateSecretParams(value="w")))
    await go(sandbox.update_secrets({"S": secret.name}))
    await go(sandbox.update_secrets({}))
    await go(secrets.delete(secret.id))


async def main() -> None:
    names = watch_everything()
    daytona: Any = AsyncDaytona() if FACE == "async" else Daytona()
    await go(daytona.volume.create(f"volume-{UNIQUE}"))
    volume = await go(daytona.volume.get(f"volume-{UNIQUE}"))
    await go(daytona.volume.list())
    mount = VolumeMount(volume_id=volume.id, mount_path="/mnt/v")
    sandbox = Older(await go(daytona.create(CreateSandboxFromSnapshotParams(volumes=[mount]))))
    await go(daytona.get(sandbox.id))
    await each(daytona.list())
    if hasattr(daytona, "secret"):
        await use_secrets(daytona.secret, sandbox)
    await use_files(sandbox.fs)
    await use_git(sandbox)
    await use_processes(sandbox.process)
    await use_interpreter(sandbox.code_interpreter)
    await use_language_server(sandbox)
    await change_settings(sandbox)
    await reach_in(sandbox)
    await live(daytona, sandbox)
    await go(daytona.delete(sandbox.itself, wait=True))
    await use_snapshots(daytona.snapshot)
    if hasattr(daytona, "warm_pool"):
        await use_pools(daytona)
    await go(daytona.volume.delete(volume))
    if FACE == "async":
        await daytona.close()
    print(json.dumps({"methods": names, "outcomes": outcomes}))


asyncio.run(main())
