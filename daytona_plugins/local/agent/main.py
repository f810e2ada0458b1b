"""The agent as process 1: starts the server, and ends the sandbox in order when it is asked to.

Everything it will ever need is imported before the sandbox exists; inside there may be no Python at all, and if there
is one, it is not ours. `warm_up` imports what others would import late.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import mimetypes
import os
import signal
from typing import TYPE_CHECKING, Final, cast

from daytona.errors import DaytonaPluginError
from daytona.plugins import AGENT_SERVICES, entry_points, load
from daytona_plugins.local.agent.build import add_build
from daytona_plugins.local.agent.channels import add_channels
from daytona_plugins.local.agent.code_run import add_code_run
from daytona_plugins.local.agent.download import add_download
from daytona_plugins.local.agent.errors import envelope
from daytona_plugins.local.agent.execute import add_execute
from daytona_plugins.local.agent.files import add_files
from daytona_plugins.local.agent.git import add_git
from daytona_plugins.local.agent.git_remote import add_git_remote
from daytona_plugins.local.agent.git_settings import add_git_settings
from daytona_plugins.local.agent.info import add_info
from daytona_plugins.local.agent.interpreter import add_interpreter
from daytona_plugins.local.agent.port_proxy import add_port_proxy
from daytona_plugins.local.agent.ports import add_ports
from daytona_plugins.local.agent.pty import add_pty
from daytona_plugins.local.agent.rehearsal import answer_some
from daytona_plugins.local.agent.search import add_search
from daytona_plugins.local.agent.sessions import add_sessions
from daytona_plugins.local.agent.toolbox import Toolbox
from daytona_plugins.local.agent.upload import add_upload
from daytona_plugins.local.web import serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# Imported by the standard library inside functions, when first used.
LATE_IMPORTS: Final = (
    "concurrent.futures.thread",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.ascii",
    "encodings.utf_16_le",
    "linecache",
)

HANG_UP_AFTER: Final = 0.1

PARTS: Final[tuple[Callable[[Toolbox], None], ...]] = (
    add_info, add_files, add_search, add_upload, add_download, add_execute, add_code_run, add_ports, add_pty, add_sessions,
    add_git, add_git_remote, add_git_settings, add_build, add_interpreter, add_port_proxy, add_channels,
)  # fmt: skip


def warm_up() -> None:
    """Import and set up what the first request would."""
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    mimetypes.init(files=[])
    _own_toolbox()
    for add in plugged_in():
        add(Toolbox())


def rehearse() -> None:
    """Answer requests in this process: sandboxes forked from it later are smaller, and answer their first one sooner."""
    answer_some(_with_own_parts(Toolbox()))


def build_toolbox() -> Toolbox:
    """Return a toolbox with every route; it is the same at every call, so call it once, and in the sandbox."""
    toolbox = _own_toolbox()
    toolbox.work_dir = os.getcwd()
    for add in plugged_in():
        add(toolbox)
    return toolbox


@functools.cache
def _own_toolbox() -> Toolbox:
    """Return a toolbox with the routes that are ours, which sandboxes get ready-made from the zygote."""
    return _with_own_parts(Toolbox())


def _with_own_parts(toolbox: Toolbox) -> Toolbox:
    """What is ours looks at nothing outside of the toolbox before it is asked something; plug-ins may."""
    for add in PARTS:
        add(toolbox)
    return toolbox


@functools.cache
def plugged_in() -> tuple[Callable[[Toolbox], None], ...]:
    """Return what plugins add. The first call imports them, so it must come before there is a sandbox."""
    parts: list[Callable[[Toolbox], None]] = []
    for name in sorted(entry_points(AGENT_SERVICES)):
        try:
            parts.append(cast("Callable[[Toolbox], None]", load(AGENT_SERVICES, name)))
        except DaytonaPluginError as error:
            logger.warning("Sandboxes do without it: %s", error)
    return tuple(parts)


def serve_forever(listener: socket.socket, lifeline: int, entrypoint: tuple[str, ...]) -> None:
    """Serve, and run *entrypoint*, until SIGTERM, or until the *lifeline* ends because the platform is gone.

    SIGTERM may be blocked, so that one that comes too early is not lost.
    """
    asyncio.run(_serve(listener, lifeline, entrypoint))


async def _serve(listener: socket.socket, lifeline: int, entrypoint: tuple[str, ...]) -> None:
    toolbox = build_toolbox()
    toolbox.entrypoint = entrypoint
    toolbox.reaper.install()
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked_to_end.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    for begin in toolbox.at_start:
        begin()
    loop.add_reader(lifeline, os._exit, 1)
    listener.setblocking(False)
    server = await serve(listener, toolbox.router, envelope=envelope)
    await asked_to_end.wait()
    toolbox.ending = True
    await _end_processes(toolbox)
    await server.close()


async def _end_processes(toolbox: Toolbox) -> None:
    """Ask every process to end and wait for it; whoever lost patience kills us, and the rest with us."""
    _signal_all(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_AFTER):
            await toolbox.reaper.wait_until_childless()
    # Shells on terminals ignore SIGTERM, and now and then lose a SIGHUP that comes together with it.
    _signal_all(signal.SIGHUP)
    await toolbox.reaper.wait_until_childless()


def _signal_all(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, number)
        os.kill(-1, signal.SIGCONT)
