"""Following what a build prints, for as long as the build goes on and no longer.

The log is a courtesy: that it cannot be read, breaks off or never ends does not decide about the build, which is asked
for its state. So a stream that fails or falls silent is let go, and when the build still goes on another one takes its
place and skips what was read before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaConnectionError, DaytonaError, DaytonaTimeoutError
from ..models.access import Url
from ..protocols import waiting
from ..protocols.lines import LineSplitter
from ..protocols.rest import Request, origin_of
from ._callbacks import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..service import Api

__all__ = ["BuildLog"]

_log = logging.getLogger(__name__)

FIRST_PATIENCE: Final = 2.0
LONGEST_PATIENCE: Final = 15.0
"""Seconds of silence after which the build is asked whether it goes on: the hosted platform does not say that it has failed."""
FAILURES: Final = 3
"""Streams that may break off without having brought anything before the log is given up."""


class BuildLog:
    """The log of one build.

    Args:
        api: The platform.
        path: The sandbox or snapshot that is being built, as in "/sandbox/x".
        tell_line: Called with each line.
    """

    def __init__(self, api: Api, path: str, tell_line: Callable[[str], Awaitable[None] | None]) -> None:
        self._api = api
        self._path = path
        self._tell_line = tell_line
        self._lines = LineSplitter()
        self._read = 0

    async def follow(self, goes_on: Callable[[], Awaitable[bool]]) -> None:
        """Hand on every line until *goes_on* says that the build is over, and what was printed until then."""
        try:
            url = (await self._api.call("GET", f"{self._path}/build-logs-url", into=Url)).url
        except DaytonaTimeoutError:
            raise
        except DaytonaError as error:
            _log.debug("the log of %s cannot be read: %s", self._path, error)
            return
        await self._follow(url, goes_on)
        for line in self._lines.end():
            await tell(self._tell_line, line)

    async def _follow(self, url: str, goes_on: Callable[[], Awaitable[bool]]) -> None:
        failures, patience = 0, FIRST_PATIENCE
        while failures < FAILURES:
            before = self._read
            try:
                if await self._stream(f"{url}?follow=true", patience):
                    return
                patience = min(2 * patience, LONGEST_PATIENCE)
            except DaytonaError as error:
                _log.debug("the log of %s broke off: %s", self._path, error)
                failures = 0 if self._read > before else failures + 1
                await self._api.transport.sleep(waiting.polls(failures))
            if not await goes_on():
                with suppress(DaytonaConnectionError):
                    await self._stream(url, patience)  # the rest, from a stream that ends by itself
                return

    async def _stream(self, url: str, patience: float) -> bool:
        """Return True at the end of the log, False when it was silent for *patience* seconds."""
        transport = self._api.transport
        origin, path = origin_of(url.partition("?")[0])
        query = url.partition("?")[2]
        request = (await self._api.endpoint()).at(url.partition("?")[0]).request("GET", "", accept="*/*")
        answer = await transport.stream(
            Request("GET", origin, f"{path}?{query}" if query else path, request.fields)
        )
        known = self._read
        try:
            if answer.status != 200:
                raise DaytonaError(f"its log was answered with status {answer.status}")
            while True:
                try:
                    with transport.deadline(patience):
                        piece = await answer.read()
                except DaytonaTimeoutError:
                    await transport.sleep(0)  # raises when the time of the whole call is over
                    return False
                if not piece:
                    return True
                fresh, known = piece[known:], max(0, known - len(piece))
                self._read += len(fresh)
                for line in self._lines.receive(fresh):
                    await tell(self._tell_line, line)
        finally:
            answer.abort()
