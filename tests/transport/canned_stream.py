"""Connections without a network: what the peer sends is written down beforehand, and what it is sent is kept."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from daytona.protocols.pool import Origin
    from daytona.transport._connector import Connector


class CannedStream:
    """Delivers *arrivals* one read at a time, then the end of the stream; an exception among them is raised."""

    def __init__(self, *arrivals: bytes | BaseException, broken: bool = False) -> None:
        self._arrivals = deque(arrivals)
        self.writes: list[bytes] = []
        self.broken = broken
        self.stale = False
        self.closed = False

    @property
    def sent(self) -> bytes:
        """Everything the peer has been sent."""
        return b"".join(self.writes)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next arrival."""
        arrival = self._arrivals.popleft() if self._arrivals else b""
        if isinstance(arrival, BaseException):
            raise arrival
        assert len(arrival) <= max_bytes, "a read would return less"
        return arrival

    def try_write(self, buffer: bytes) -> int:
        """Send nothing without waiting."""
        return 0

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keep *buffer*."""
        if self.broken:
            raise BrokenPipeError("Broken pipe")
        self.writes.append(buffer)

    def is_stale(self) -> bool:
        """Return what the test says."""
        return self.stale

    def close(self) -> None:
        """Note it."""
        self.closed = True


class CannedConnector:
    """Connects to *streams*, one after another, wherever it is told to; an exception among them is raised."""

    def __init__(self, *streams: CannedStream | Exception) -> None:
        self._streams = deque(streams)
        self.dialled: list[Origin] = []

    async def connect(self, origin: Origin) -> CannedStream:
        """Return the next stream."""
        self.dialled.append(origin)
        stream = self._streams.popleft()
        if isinstance(stream, Exception):
            raise stream
        return stream

    def renew_lock(self) -> None:
        """Do nothing: there is no lock."""


def as_connector(connector: CannedConnector) -> Connector:
    """Return *connector* as what it stands in for: it has as much of one as is used."""
    return cast("Connector", connector)
