"""What the platform's process does: opens everything in order, serves, and closes everything in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from daytona import __version__
from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local import web
from daytona_plugins.local.platform.api import Application
from daytona_plugins.local.platform.auth import load_or_make_key, write_private
from daytona_plugins.local.platform.objects import Objects
from daytona_plugins.local.platform.preview_addresses import by_address
from daytona_plugins.local.platform.restarting import RestartingRunner
from daytona_plugins.local.platform.s3 import S3
from daytona_plugins.local.platform.sandboxes import Sandboxes
from daytona_plugins.local.platform.site import HOST, Site
from daytona_plugins.local.platform.store import Store, UnusableDatabaseError
from daytona_plugins.local.platform.ticker import ticking
from daytona_plugins.local.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.api import Part
    from daytona_plugins.local.runtime.zygote_process import ZygoteProcess

    Announce = Callable[[dict[str, object]], None]

logger = logging.getLogger(__name__)

PARKED = "DAYTONA_LOCAL_PARKED"
MOST_PARKED = 100
BACKLOG = 1024


def serve(paths: Paths, zygote: ZygoteProcess, announce: Announce) -> None:
    """Serve until told to end, and tell *announce* where.

    Raises:
        DaytonaLocalPlatformError: This machine or what is in the directories does not allow it.
    """
    asyncio.run(_run(paths, zygote, how_many_parked(os.environ), announce))


async def _run(paths: Paths, zygote: ZygoteProcess, parked: int, announce: Announce) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with _serving(paths, zygote, parked) as site:
        endpoint = _endpoint(site)
        write_private(paths.endpoint_file, json.dumps(endpoint).encode())
        try:
            announce(endpoint)
            logger.info("serving on %s", site.url)
            async with ticking(partial(_end_if_lost, paths, ending)):
                await ending.wait()
        finally:
            paths.endpoint_file.unlink(missing_ok=True)
    logger.info("ended")


async def _end_if_lost(paths: Paths, ending: asyncio.Event) -> None:
    """End when nobody can find us any more, because somebody removed the directory."""
    if not paths.endpoint_file.exists():
        logger.warning("%s is gone, so this platform ends", paths.endpoint_file)
        ending.set()


@contextlib.asynccontextmanager
async def _serving(paths: Paths, zygote: ZygoteProcess, parked: int) -> AsyncGenerator[Site]:
    async with contextlib.AsyncExitStack() as stack:
        listener = listen(every_address=by_address(os.environ))
        address, port = listener.getsockname()
        site = Site(port, load_or_make_key(paths.key_file), __version__, previews_by_address=address != HOST)
        store = stack.enter_context(contextlib.closing(_open_store(paths.database)))
        runner = RestartingRunner(await Runner.start(paths, zygote), partial(Runner.start, paths))
        stack.push_async_callback(runner.close)
        sandboxes = Sandboxes(store, runner, paths, parked=parked)
        await sandboxes.open()
        stack.push_async_callback(sandboxes.close)
        application = Application(site, sandboxes, _parts(site, paths))
        await application.organization.volumes.open()
        await application.ssh.open()
        stack.push_async_callback(application.ssh.close)
        server = await web.serve(listener, application, envelope=application.envelope)
        stack.push_async_callback(server.close)
        await stack.enter_async_context(ticking(sandboxes.tick))
        await stack.enter_async_context(ticking(application.snapshots.tick))
        await stack.enter_async_context(ticking(application.organization.warm_pools.tick))
        stack.push_async_callback(application.telemetry.close)
        await stack.enter_async_context(ticking(application.telemetry.tick))
        yield site


def _open_store(file: Path) -> Store:
    try:
        return Store(file)
    except UnusableDatabaseError as error:
        raise DaytonaLocalPlatformError(str(error)) from error


def _parts(site: Site, paths: Paths) -> list[Part]:
    """Return what answers requests that are not about one sandbox."""
    return [S3(site, Objects(paths.objects), time.time)]


def listen(*, every_address: bool = False) -> socket.socket:
    """Listen on a free port of the loopback interface: on one of its addresses, or on all where that is allowed."""
    listener = socket.socket()
    listener.bind(("" if every_address and _kept_to_loopback(listener) else HOST, 0))
    listener.listen(BACKLOG)
    # asyncio does this only for sockets that say they are TCP, which this one does not;
    # without it the second write of an answer waits 40 ms for the first one to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _kept_to_loopback(listener: socket.socket) -> bool:
    """Keep a socket to the loopback interface, whatever address it is bound to; before Linux 5.7 only root may."""
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    except PermissionError:
        return False
    return True


def how_many_parked(environ: Mapping[str, str]) -> int:
    """Return how many sandboxes are to be made ahead.

    Raises:
        DaytonaLocalPlatformError: The variable for it is no number, or too large a one.
    """
    text = environ.get(PARKED) or "1"
    if not text.isdecimal() or int(text) > MOST_PARKED:
        raise DaytonaLocalPlatformError(f"{PARKED} is {text!r}; it is a number from 0 to {MOST_PARKED}")
    return int(text)


def _endpoint(site: Site) -> dict[str, object]:
    return {
        "url": site.api_url,
        "key": site.key,
        "pid": os.getpid(),
        "version": site.version,
        "isolation": "namespace",
    }
