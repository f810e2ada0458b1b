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
from typing import TYPE_CHECKING, Final, Self, cast

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
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.agent.toolbox import Toolbox
from daytona_plugins.local.agent.upload import add_upload
from daytona_plugins.local.web import serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

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
    ready_toolbox()


@functools.cache
def ready_toolbox() -> Toolbox:
    """Return the toolbox with every route, which is made before there is a sandbox; each sandbox has it as its own."""
    toolbox = Toolbox()
    for add in (*PARTS, *plugged_in()):
        add(toolbox)
    return toolbox


def plugged_in() -> Iterator[Callable[[Toolbox], None]]:
    """Import and yield what plugins add."""
    for name in sorted(entry_points(AGENT_SERVICES)):
        try:
            yield cast("Callable[[Toolbox], None]", load(AGENT_SERVICES, name))
        except DaytonaPluginError as error:
            logger.warning("Sandboxes do without it: %s", error)


class Agent:
    """The agent of one process, from before there is its sandbox."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def rehearse(self) -> None:
        """Answer requests of its own: what is forked from here is smaller, and the next request is answered sooner."""
        self._runner.run(answer_some(ready_toolbox()))

    def serve_forever(self, listener: socket.socket, lifeline: int, entrypoint: tuple[str, ...]) -> None:
        """Serve, and run *entrypoint*, until SIGTERM, or until the *lifeline* ends because the platform is gone.

        SIGTERM may be blocked, so that one that comes too early is not lost.
        """
        self._runner.run(_serve(listener, lifeline, entrypoint))


async def _serve(listener: socket.socket, lifeline: int, entrypoint: tuple[str, ...]) -> None:
    toolbox = ready_toolbox()
    toolbox.work_dir = os.getcwd()
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
    toolbox.shells.make_ready(choose_shell())  # while who asked for the sandbox hears of it
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
