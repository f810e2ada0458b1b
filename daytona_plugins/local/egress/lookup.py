"""Where the names of hosts lead, as this machine knows it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Resolve = Callable[[str, int], Awaitable[list[str]]]

MOST_LOOKUPS: Final = 16
"""At a time. They have threads of their own: a name server that does not answer must hold up nothing but lookups."""


async def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a host, which may be one itself.

    Raises:
        OSError: It has none, or nobody can be asked.
    """
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_threads(), ask)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no host can have this name") from error
    return [str(sockaddr[0]) for *_, sockaddr in found]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="lookup")
