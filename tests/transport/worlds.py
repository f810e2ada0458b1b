"""What the three worlds do differently, for tests that are written once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from daytona.service import step
from daytona.transport.blocking import BlockingDriver
from daytona.transport.http import HTTPTransport
from daytona.transport.native import NativeDriver

Act = Callable[[], Awaitable[Any]]


def driver_of(face: str) -> Any:
    """Return the driver of a world."""
    return BlockingDriver() if face == "blocking" else NativeDriver()


@asynccontextmanager
async def transport_of(face: str, **options: Any) -> AsyncIterator[HTTPTransport]:
    """Yield a transport that is closed at the end."""
    transport = HTTPTransport(driver_of(face), **options)
    try:
        yield transport
    finally:
        await transport.close()


async def together(face: str, *acts: Act) -> list[Any]:
    """Return what each of *acts* returns or raises: run in threads, in tasks of asyncio or in tasks of trio."""
    results: list[Any] = [None] * len(acts)
    if face == "blocking":
        threads = [threading.Thread(target=_stepped, args=(results, i, act)) for i, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elif face == "asyncio":
        results = await asyncio.gather(*(act() for act in acts), return_exceptions=True)
    else:
        async with trio.open_nursery() as nursery:
            for i, act in enumerate(acts):
                nursery.start_soon(_caught, results, i, act)
    return results


def _stepped(results: list[Any], index: int, act: Act) -> None:
    step(_caught(results, index, act))


async def _caught(results: list[Any], index: int, act: Act) -> None:
    try:
        results[index] = await act()
    except Exception as error:
        results[index] = error


async def happened(face: str, event: threading.Event) -> None:
    """Wait for something that a server's thread does."""
    assert await driver_of(face).run(partial(event.wait, 10)), "it never happened"
