"""Every public method of every service, found by looking, and what to call it with.

A new method is included by itself. One that cannot be called without arguments needs an entry in `ARGUMENTS`, and a new
class one in `FOUND_AT`; the tests that use this fail until it has.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import daytona
from daytona import services
from daytona.models.sandbox import SandboxData

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLUGINS = ("computer_use", "lsp", "object_storage")

FOUND_AT: dict[str, Callable[[Any, Any], Any]] = {
    "AsyncClient": lambda client, sandbox: client,
    "AsyncSecretService": lambda client, sandbox: client.secret,
    "AsyncSnapshotService": lambda client, sandbox: client.snapshot,
    "AsyncVolumeService": lambda client, sandbox: client.volume,
    "AsyncWarmPoolService": lambda client, sandbox: client.warm_pool,
    "AsyncBuildStorage": lambda client, sandbox: client.object_storage,
    "AsyncSandbox": lambda client, sandbox: sandbox,
    "AsyncFileSystem": lambda client, sandbox: sandbox.fs,
    "AsyncGit": lambda client, sandbox: sandbox.git,
    "AsyncProcess": lambda client, sandbox: sandbox.process,
    "AsyncPtyHandle": lambda client, sandbox: sandbox.process.connect_pty_session("stays"),
    "AsyncCodeInterpreter": lambda client, sandbox: sandbox.code_interpreter,
    "AsyncLspServer": lambda client, sandbox: sandbox.create_lsp_server("python", "/p"),
    "AsyncComputerUse": lambda client, sandbox: sandbox.computer_use,
    "AsyncMouse": lambda client, sandbox: sandbox.computer_use.mouse,
    "AsyncKeyboard": lambda client, sandbox: sandbox.computer_use.keyboard,
    "AsyncScreenshot": lambda client, sandbox: sandbox.computer_use.screenshot,
    "AsyncDisplay": lambda client, sandbox: sandbox.computer_use.display,
    "AsyncRecordingService": lambda client, sandbox: sandbox.computer_use.recording,
    "AsyncAccessibility": lambda client, sandbox: sandbox.computer_use.accessibility,
}
"""Where an object of each class is found; a coroutine is awaited first."""

VOLUME = daytona.Volume(id="vol-1", name="n")
REGION = daytona.ScreenshotRegion(x=0, y=0, width=9, height=9)
SIZE = daytona.PtySize(rows=3, cols=4)
PLACE_IN_TEXT = daytona.LspCompletionPosition(line=0, character=0)
START_OF_TEXT = daytona.LspPosition(line=0, character=0)
SANDBOX, PLACE = object(), object()
"""Stand for the sandbox of the call, and for a path that nobody uses."""

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AsyncClient.get": ("sb-1",),
    "AsyncClient.find_one": ("sb-1",),
    "AsyncClient.reap": ("owner",),
    "AsyncClient.start": (SANDBOX,),
    "AsyncClient.stop": (SANDBOX,),
    "AsyncClient.recover": (SANDBOX,),
    "AsyncClient.delete": (SANDBOX,),
    "AsyncCodeInterpreter.run_code": ("1",),
    "AsyncCodeInterpreter.run_code_stream": ("1",),
    "AsyncCodeInterpreter.delete_context": (daytona.InterpreterContext(id="c", cwd="/", language="python"),),
    "AsyncFileSystem.create_folder": ("d", "755"),
    "AsyncFileSystem.delete_file": ("f",),
    "AsyncFileSystem.list_files": ("d",),
    "AsyncFileSystem.get_file_info": ("f",),
    "AsyncFileSystem.find_files": ("d", "x"),
    "AsyncFileSystem.search_files": ("d", "x"),
    "AsyncFileSystem.move_files": ("f", "g"),
    "AsyncFileSystem.replace_in_files": (["f"], "x", "y"),
    "AsyncFileSystem.set_file_permissions": ("f", "644"),
    "AsyncFileSystem.upload_file": (b"content", "f"),
    "AsyncFileSystem.upload_files": ([daytona.FileUpload(b"content", "f")],),
    "AsyncFileSystem.upload_file_stream": ([b"content", b"more"], "f"),
    "AsyncFileSystem.download_file": ("f",),
    "AsyncFileSystem.download_files": ([daytona.FileDownloadRequest("f")],),
    "AsyncFileSystem.download_file_stream": ("f",),
    "AsyncGit.clone": ("https://example.test/x", "p"),
    "AsyncGit.remote_add": ("p", "r", "https://example.test/x"),
    "AsyncGit.remote_get": ("p", "r"),
    "AsyncGit.add": ("p", ["f"]),
    "AsyncGit.commit": ("p", "m", "a", "a@example.test"),
    "AsyncGit.restore": ("p", ["f"]),
    "AsyncGit.create_branch": ("p", "b"),
    "AsyncGit.checkout_branch": ("p", "b"),
    "AsyncGit.delete_branch": ("p", "b"),
    "AsyncGit.set_config": ("k", "v"),
    "AsyncGit.get_config": ("k",),
    "AsyncGit.configure_user": ("n", "e@example.test"),
    "AsyncGit.dangerously_authenticate": ("u", "p"),
    **{
        f"AsyncGit.{name}": ("p",)
        for name in (
            "fetch",
            "pull",
            "push",
            "remotes",
            "init",
            "status",
            "diff",
            "history",
            "reset",
            "branches",
        )
    },
    "AsyncProcess.exec": ("true",),
    "AsyncProcess.code_run": ("1",),
    "AsyncProcess.create_pty_session": ("stays",),
    "AsyncProcess.connect_pty_session": ("stays",),
    "AsyncProcess.resize_pty_session": ("t", SIZE),
    "AsyncProcess.get_session_command": ("s", "c"),
    "AsyncProcess.execute_session_command": ("s", daytona.SessionExecuteRequest(command="true")),
    "AsyncProcess.get_session_command_logs": ("s", "c"),
    "AsyncProcess.stream_session_command_logs": ("s", "c"),
    "AsyncProcess.get_session_command_logs_async": ("s", "c", print, print),
    "AsyncProcess.get_entrypoint_logs_async": (print, print),
    "AsyncProcess.send_session_command_input": ("s", "c", "x"),
    "AsyncPtyHandle.send_input": ("x",),
    "AsyncPtyHandle.write": ("x",),
    "AsyncPtyHandle.resize": (SIZE,),
    "AsyncSandbox.resize": (daytona.Resources(cpu=1),),
    "AsyncSandbox.create_snapshot": ("n",),
    "AsyncSandbox.set_labels": ({"k": "v"},),
    "AsyncSandbox.set_public": (True,),
    "AsyncSandbox.update_secrets": ({"K": "s"},),
    "AsyncSandbox.update_env": ({"K": "v"},),
    "AsyncSandbox.get_preview_link": (3000,),
    "AsyncSandbox.create_signed_preview_url": (3000,),
    "AsyncSandbox.expire_signed_preview_url": (3000, "t"),
    "AsyncSandbox.revoke_ssh_access": ("t",),
    "AsyncSandbox.validate_ssh_access": ("t",),
    "AsyncSandbox.download_url": ("f",),
    "AsyncSandbox.upload_url": ("f",),
    "AsyncSecretService.get": ("s",),
    "AsyncSecretService.create": (daytona.CreateSecretParams(name="n", value="v"),),
    "AsyncSecretService.update": ("s", daytona.UpdateSecretParams(value="v")),
    "AsyncSecretService.delete": ("s",),
    "AsyncSnapshotService.get": ("n",),
    "AsyncSnapshotService.create": (daytona.CreateSnapshotParams(name="n", image="debian:12"),),
    "AsyncSnapshotService.delete": ("n",),
    "AsyncSnapshotService.activate": ("n",),
    "AsyncSnapshotService.deactivate": ("n",),
    "AsyncVolumeService.get": ("n",),
    "AsyncVolumeService.create": ("n",),
    "AsyncVolumeService.delete": (VOLUME,),
    "AsyncWarmPoolService.create": ("n", 1),
    "AsyncWarmPoolService.update": ("w", 1),
    "AsyncWarmPoolService.delete": ("w",),
    "AsyncMouse.move": (1, 1),
    "AsyncMouse.click": (1, 1),
    "AsyncMouse.drag": (1, 1, 2, 2),
    "AsyncMouse.scroll": (1, 1, "up"),
    "AsyncKeyboard.type": ("x",),
    "AsyncKeyboard.hotkey": ("ctrl+c",),
    "AsyncScreenshot.take_region": (REGION,),
    "AsyncScreenshot.take_compressed_region": (REGION,),
    "AsyncRecordingService.download": ("r", PLACE),
    "AsyncAccessibility.set_node_value": ("n", "v"),
    "AsyncLspServer.completions": ("f", PLACE_IN_TEXT),
    "AsyncLspServer.hover": ("f", PLACE_IN_TEXT),
    "AsyncLspServer.definition": ("f", PLACE_IN_TEXT),
    "AsyncLspServer.references": ("f", PLACE_IN_TEXT),
    "AsyncLspServer.rename": ("f", PLACE_IN_TEXT, "new"),
    "AsyncLspServer.diagnostics": ("f",),
    "AsyncLspServer.code_action": ("f", daytona.LspRange(start=START_OF_TEXT, end=START_OF_TEXT)),
    "AsyncLspServer.format": ("f",),
    "AsyncLspServer.request": ("any/thing",),
    "AsyncProcess.wait_for_session_command": ("s", "c"),
    "AsyncBuildStorage.upload": (PLACE,),
    **{f"AsyncSandbox.set_{name}": (1,) for name in ("autostop_interval", "ttl")},
    **{f"AsyncSandbox.set_auto_{name}_interval": (1,) for name in ("pause", "archive", "delete")},
    **{f"AsyncKeyboard.{name}": ("a",) for name in ("press", "down", "up")},
    **{f"AsyncRecordingService.{name}": ("r",) for name in ("stop", "get", "delete")},
    **{f"AsyncAccessibility.{name}_node": ("n",) for name in ("focus", "invoke")},
    **{f"AsyncLspServer.{name}": ("f",) for name in ("did_open", "did_close", "document_symbols")},
    **{f"AsyncLspServer.{name}_symbols": ("q",) for name in ("sandbox", "workspace")},
    **{
        f"AsyncComputerUse.{name}": ("xvfb",)
        for name in ("get_process_status", "restart_process", "get_process_logs", "get_process_errors")
    },
    **{
        f"AsyncProcess.{name}": ("s",)
        for name in (
            "get_pty_session_info",
            "kill_pty_session",
            "create_session",
            "get_session",
            "delete_session",
        )
    },
}

OPTIONS = {"AsyncSandbox.update_network_settings": {"network_block_all": True}}
"""What is given by name."""

PASSING = {
    "AsyncSandbox.wait_for_sandbox_start": "starting",
    "AsyncSandbox.wait_for_sandbox_stop": "stopping",
    "AsyncSandbox.wait_for_resize_complete": "resizing",
}
"""The state that is to be waited out, as far as the caller knows."""

STOPPED = {"AsyncSandbox.stop", "AsyncClient.stop", "AsyncSandbox.wait_for_sandbox_stop"}
"""What waits until the sandbox is stopped."""


class Method(NamedTuple):
    """A public method."""

    owner: type
    name: str
    function: Any

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"

    @property
    def timeout(self) -> str | None:
        """The name of its parameter for a timeout."""
        parameters = inspect.signature(self.function).parameters
        return next((name for name in ("timeout", "request_timeout") if name in parameters), None)

    @property
    def is_known(self) -> bool:
        """Whether it can be called with what is written down here."""
        needed = any(
            p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"
            for p in inspect.signature(self.function).parameters.values()
        )
        return self.owner.__name__ in FOUND_AT and (not needed or str(self) in ARGUMENTS)

    def arguments(self, sandbox: Any, directory: Path) -> tuple[Any, ...]:
        """Return what to call it with; *directory* is where files may be."""
        needed = any(
            p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"
            for p in inspect.signature(self.function).parameters.values()
        )
        assert not needed or str(self) in ARGUMENTS, (
            f"{self} is new: write down arguments for it in {__name__}"
        )
        place = directory / "file"
        place.write_bytes(b"content")
        places = {id(SANDBOX): sandbox, id(PLACE): str(place)}
        return tuple(places.get(id(value), value) for value in ARGUMENTS.get(str(self), ()))


def methods() -> list[Method]:
    """Return every public asynchronous method of every service."""
    names = [f"daytona.services.{module.name}" for module in pkgutil.iter_modules(services.__path__)]
    names += [f"daytona_plugins.{name}.service" for name in PLUGINS]
    found: list[Method] = []
    for module in map(importlib.import_module, names):
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        for owner in classes:
            if owner.__module__ == module.__name__ and owner.__name__.startswith("Async"):
                found += [
                    Method(owner, name, value) for name, value in vars(owner).items() if _is_call(name, value)
                ]
    return found


def _is_call(name: str, value: Any) -> bool:
    inner = inspect.unwrap(value) if callable(value) else None
    asynchronous = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
    return not name.startswith("_") and asynchronous


def sandbox_of(client: Any, method: Method, url: str) -> Any:
    """Return the sandbox of a call, without asking the server at *url* for it."""
    state = daytona.SandboxState(PASSING.get(str(method), "started"))
    name = "stopped-1" if str(method) in STOPPED else "sb-1"
    return client._handle(SandboxData(id=name, state=state, toolbox_proxy_url=f"{url}/toolbox"))


async def target_of(client: Any, sandbox: Any, method: Method) -> Any:
    """Return the object that has *method*."""
    if str(method) == "AsyncPtyHandle.wait":
        return await sandbox.process.connect_pty_session("ends")
    found = FOUND_AT[method.owner.__name__](client, sandbox)
    return await found if inspect.isawaitable(found) and not hasattr(found, "process") else found


async def perform(target: Any, method: Method, arguments: tuple[Any, ...], **options: Any) -> None:
    """Make the call, to the end of what it yields."""
    result = getattr(target, method.name)(*arguments, **OPTIONS.get(str(method), {}), **options)
    if isinstance(result, AsyncGenerator):
        async with aclosing(result):
            async for _ in result:
                pass
    else:
        await result
