"""What users of both official clients do with a desktop, a language server and local files of images.

Prints one line of JSON: what each face saw, and which methods of the official classes it called.

Arguments: a program that shows a window and says what happens to it.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import importlib
import inspect
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from daytona import (
    AsyncDaytona,
    CreateSandboxFromImageParams,
    Daytona,
    DaytonaError,
    Image,
    LspCompletionPosition,
    ScreenshotOptions,
    ScreenshotRegion,
    SessionExecuteRequest,
)

PARTS = ("mouse", "keyboard", "screenshot", "display", "recording", "accessibility")
CODE = b"class Foo:\n    def bar(self): ...\n\n\nFoo().\n"
called: set[str] = set()


class Watched:
    """A service of an official client: its methods are awaited on either face, and remembered."""

    def __init__(self, service: Any) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        if name in PARTS:
            return Watched(value)
        called.add(f"{type(self._service).__name__.removeprefix('Async')}.{name}")

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await now(value(*args, **kwargs))

        return call


async def now(result: Any) -> Any:
    """Return the result of a call of either face."""
    return await result if inspect.isawaitable(result) else result


async def use_desktop(sandbox: Any, program: str) -> dict[str, Any]:
    """Call every method of the desktop, and return what came of it."""
    desktop, seen = Watched(sandbox.computer_use), {}
    await desktop.start()
    seen["status"] = (await desktop.get_status()).status
    await desktop.restart_process("xfce4")
    seen["running"] = (await desktop.get_process_status("xvfb")).running
    seen["logs"] = (await desktop.get_process_logs("xvfb")).process_name
    seen["errors"] = (await desktop.get_process_errors("xvfb")).process_name
    film = await desktop.recording.start("official")
    window = await Window.open(sandbox, program)
    seen["window"] = [found.title for found in (await desktop.display.get_windows()).windows]
    seen["display"] = [(one.width, one.height) for one in (await desktop.display.get_info()).displays]
    await use_input(desktop, window)
    await use_names(desktop, window)
    seen["said"] = await window.said()
    seen["pictures"] = await take_pictures(desktop, window)
    done = await desktop.recording.stop(film.id)
    seen["film"] = [done.status, (await desktop.recording.get(film.id)).status]
    seen["films"] = [one.id == film.id for one in (await desktop.recording.list()).recordings]
    with tempfile.TemporaryDirectory() as directory:
        await desktop.recording.download(film.id, f"{directory}/film.mp4")
        seen["size"] = size_of(directory, "film.mp4") == done.size_bytes
    await desktop.recording.delete(film.id)
    await desktop.stop()
    seen["stopped"] = (await desktop.get_status()).status
    return seen


class Window:
    """The program on the screen: where its parts are, and what it has said."""

    def __init__(self, sandbox: Any, command: str) -> None:
        self.sandbox, self.command = sandbox, command

    @classmethod
    async def open(cls, sandbox: Any, program: str) -> Window:
        """Show it, and wait until it says where its parts are."""
        process = sandbox.process
        await now(sandbox.fs.upload_file(program, "/tmp/window.py"))
        await now(process.create_session("window"))
        request = SessionExecuteRequest(
            command="WINDOW_LIFE=120 /usr/bin/python3 /tmp/window.py", run_async=True
        )
        answer = await now(process.execute_session_command("window", request))
        window = cls(sandbox, answer.cmd_id)
        _word, *numbers = (await window.hear("areas")).split()
        window.parts = [list(map(int, numbers[at : at + 4])) for at in range(0, 12, 4)]
        return window

    parts: list[list[int]]

    async def said(self) -> list[str]:
        """Return what it has said since it said where its parts are."""
        logs = await now(self.sandbox.process.get_session_command_logs("window", self.command))
        return [line for line in logs.stdout.splitlines() if not line.startswith("areas")]

    async def hear(self, words: str) -> str:
        """Return the line of its output that begins with *words*, once it is there."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            logs = await now(self.sandbox.process.get_session_command_logs("window", self.command))
            for line in (logs.stdout or "").splitlines():
                if line.startswith(words):
                    return str(line)
            await asyncio.sleep(0.1)
        raise TimeoutError(f"the window has not said {words!r} but {logs.stdout!r}")


def middle(part: list[int]) -> tuple[int, int]:
    """Return the middle of a part of the window."""
    x, y, width, height = part
    return x + width // 2, y + height // 2


async def use_input(desktop: Any, window: Window) -> None:
    """Type into the window and point at it."""
    _button, entry, canvas = window.parts
    mouse, keyboard = desktop.mouse, desktop.keyboard
    await mouse.click(*middle(entry))
    await keyboard.type("Grüße", delay=1)
    await keyboard.press("Return")
    await window.hear("said Grüße")
    await keyboard.hotkey("ctrl+shift+f5")
    await keyboard.down("alt")
    await keyboard.press("f5")
    await keyboard.up("alt")
    await window.hear("key alt f5")
    x, y = canvas[:2]
    await mouse.click(x + 1, y + 2, "right", modifiers=["ctrl"])
    await mouse.drag(x + 3, y + 4, x + 50, y + 60)
    await mouse.scroll(x + 5, y + 6, "down", 1)
    await mouse.move(x + 7, y + 8)
    await mouse.down(button="middle")
    await mouse.up(button="middle")
    place = await mouse.get_position()
    await window.hear(f"release 2 {place.x - x} {place.y - y}")


async def use_names(desktop: Any, window: Window) -> None:
    """Find parts of the window by name, and use them."""
    names = desktop.accessibility
    assert (await names.get_tree()).root.children
    (button,) = (await names.find_nodes(name="Press me", name_match="exact", role="push button")).matches
    (entry,) = (await names.find_nodes(name="What to say")).matches
    await names.set_node_value(entry.id, "by name")
    await names.focus_node(entry.id)
    await desktop.keyboard.press("enter")
    await window.hear("said by name")
    await names.invoke_node(button.id)
    await window.hear("clicked")


async def take_pictures(desktop: Any, window: Window) -> list[str]:
    """Return what the first bytes of each kind of picture are."""
    x, y, width, height = window.parts[2]
    region, camera = ScreenshotRegion(x=x, y=y, width=width, height=height), desktop.screenshot
    shots = [
        await camera.take_full_screen(show_cursor=True),
        await camera.take_region(region),
        await camera.take_compressed(ScreenshotOptions(fmt="jpeg", quality=50, scale=0.5)),
        await camera.take_compressed_region(region, ScreenshotOptions(fmt="png")),
    ]
    return [base64.b64decode(shot.screenshot)[:4].hex() for shot in shots]


async def use_lsp(sandbox: Any) -> dict[str, Any]:
    """Call every method of a language server."""
    await now(sandbox.fs.upload_file(CODE, "project/main.py"))
    lsp = Watched(sandbox.create_lsp_server("python", "/home/daytona/project"))
    await lsp.start()
    await lsp.did_open("/home/daytona/project/main.py")
    path = "/home/daytona/project/main.py"
    symbols = [symbol.name for symbol in await lsp.document_symbols(path)]
    found = await lsp.completions(path, LspCompletionPosition(line=4, character=6))
    everywhere = [symbol.name for symbol in await lsp.sandbox_symbols("Foo")]
    with warnings.catch_warnings(action="ignore"):  # it is deprecated, and works
        assert everywhere == [symbol.name for symbol in await lsp.workspace_symbols("Foo")]
    await lsp.did_close(path)
    await lsp.stop()
    return {"symbols": symbols, "first": found.items[0].label, "everywhere": everywhere}


def size_of(directory: str, name: str) -> int:
    """Return how many bytes a file has."""
    return Path(directory, name).stat().st_size


def write_files(directory: Path, face: str) -> None:
    """Make a file and a tree, more than one part of an upload large."""
    (directory / "word.txt").write_text(f"from {face}\n")
    (directory / "tree" / "deep").mkdir(parents=True)
    (directory / "tree" / "deep" / "large.bin").write_bytes(bytes(range(256)) * 40_000)


async def use_files(daytona: Any, face: str) -> dict[str, Any]:
    """Make a sandbox from an image with local files."""
    with tempfile.TemporaryDirectory() as directory:
        write_files(Path(directory), face)
        image = (
            Image.base("debian:12")
            .add_local_file(f"{directory}/word.txt", "/srv/word.txt")
            .add_local_dir(f"{directory}/tree", "/srv/tree")
        )
        sandbox = await now(daytona.create(CreateSandboxFromImageParams(image=image)))
    answer = await now(sandbox.process.exec("cat /srv/word.txt; sha256sum < /srv/tree/deep/large.bin"))
    await now(sandbox.delete())
    return {"files": answer.result}


def plain_store(make: Any, *, client_options: dict[str, Any], **options: Any) -> Any:
    """Return a store of obstore that may be on plain http."""
    return make(client_options=client_options | {"allow_http": True}, **options)


def allow_plain_http() -> None:
    """The official client uploads files through obstore, which takes https alone unless it is told otherwise."""
    for face in ("_sync", "_async"):
        module = importlib.import_module(f"daytona.{face}.object_storage")
        module.S3Store = functools.partial(plain_store, module.S3Store)


async def session(daytona: Any, face: str, program: str) -> dict[str, Any]:
    """Do all of it on one face."""
    sandbox = await now(daytona.create())
    seen = {"lsp": await use_lsp(sandbox)}
    if program:
        seen["desktop"] = await use_desktop(sandbox, program)
        try:
            await now(sandbox.computer_use.stop())
        except DaytonaError as error:
            seen["not running"] = [type(error).__name__, error.status_code]
    await now(sandbox.delete())
    return seen | await use_files(daytona, face)


async def main() -> None:
    """Use both clients, one after the other."""
    allow_plain_http()
    program = sys.argv[1]
    seen = {"blocking": await session(Daytona(), "blocking", program)}
    async with AsyncDaytona() as daytona:
        seen["asynchronous"] = await session(daytona, "asynchronous", program)
    print(json.dumps({"seen": seen, "called": sorted(called)}))


asyncio.run(main())
