"""The connections of a client: which are there, who waits for one, and where they belong.

An event loop, or a process, is a world. What a client has in one is its `Home` there, with a pool of its own, so that no
loop ever touches what another one watches.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaClosedError, DaytonaConnectionError
from ..protocols import retry
from ..protocols.pool import Origin, Pool, Ticket
from ._deadline import left, now
from ._faults import AttemptFailed, timed_out

if TYPE_CHECKING:
    from ..protocols.rest import Request
    from ._connector import Connector
    from ._driver import Background, Driver, Gate, Stream

__all__ = ["Connection", "Connections", "Home"]

AT_ONCE: Final = 0.001
"""Seconds in which nobody can have read a request, acted on it and hung up, even on this machine."""


class Home:
    """What a client has in one world, an event loop or a process: nothing of it is touched by another one.

    Args:
        world: The driver's name for it.
        limit: How many calls may be under way in it at once.
    """

    def __init__(self, world: object, limit: int | None) -> None:
        self.world = world
        self.pool: Pool[Connection] = Pool(limit)
        self.gates: dict[object, Gate] = {}
        self.active: set[Connection] = set()
        self.background: set[Background] = set()

    def clear(self) -> tuple[list[Connection], list[Gate]]:
        """Let go of everything; return the connections to close and the gates to open."""
        cleared = [*self.pool.renew(), *self.active], [*self.gates.values()]
        self.active.clear()
        self.gates.clear()
        return cleared


class Connection:
    """A stream and where it leads; *round_trip* is how long it took to make, in seconds."""

    __slots__ = ("generation", "home", "origin", "round_trip", "stream", "used")

    def __init__(
        self, origin: Origin, stream: Stream, home: Home, generation: int, round_trip: float
    ) -> None:
        self.origin = origin
        self.stream = stream
        self.home = home
        self.generation = generation
        self.round_trip = round_trip
        self.used = False

    def was_dead_before(self, waited: float | None) -> bool:
        """Return whether it had been closed before the request could reach the server.

        A connection may be closed just as it is used again. Whatever the server does on account of a request takes a
        round trip to show; an end that shows sooner, or before the request is out, had been on its way already.

        Args:
            waited: Seconds from the request to the end of the connection; None when the request did not get out.
        """
        return self.used and (waited is None or waited < max(AT_ONCE, 0.75 * self.round_trip))


class Connections:
    """Lends connections, and takes them back.

    Args:
        driver: Knows the worlds, and how to wait in them.
        connector: Makes new ones.
        limit: How many calls may be under way at once in each world; None sets no limit.
    """

    def __init__(self, driver: Driver, connector: Connector, limit: int | None) -> None:
        self._driver = driver
        self._connector = connector
        self._limit = limit
        self._home = Home(None, limit)
        self._homes: dict[object, Home] = {}
        self._lock = threading.Lock()
        self.closed = False

    def renew_lock(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = threading.Lock()
        self._connector.renew_lock()

    @property
    def any(self) -> bool:
        """Whether there is one, idle or lent."""
        return any(home.pool.idle or home.active for home in self._homes.values())

    def abandon(self) -> None:
        """Close all of them at once, and lend none any more: whoever waits for one is told."""
        with self._lock:
            self.closed = True
            cleared = [home.clear() for home in self._homes.values()]
        for connections, gates in cleared:
            for connection in connections:
                connection.stream.close()
            for gate in gates:
                gate.open()

    # -- Worlds ---------------------------------------------------------------------------------------------------

    def home(self) -> Home | None:
        """Return what there is in the running world, None when that is nothing."""
        return self._homes.get(self._driver.world())

    def enter_world(self) -> Home:
        """Return what there is in the running event loop or process; drop what belongs to one that is over."""
        if self.closed:
            raise DaytonaClosedError("The client is closed; make a new one")
        world = self._driver.world()
        with self._lock:
            home = self._homes.get(world)
            gone = [] if home is not None else self._leave_worlds()
            if home is None:
                home = self._homes[world] = Home(world, self._limit)
            self._home = home
        for connection in gone:
            connection.stream.close()
        return home

    def _leave_worlds(self) -> list[Connection]:
        """Forget the worlds that have ended; return the connections in them, to be closed without a word."""
        over = [world for world in self._homes if self._driver.is_over(world)]
        return [connection for world in over for connection in self._homes.pop(world).clear()[0]]

    # -- Lending --------------------------------------------------------------------------------------------------

    def take(self, origin: Origin) -> Connection | None:
        """Return a used connection that is still good, if one is at hand; else there is `lend`."""
        home = self._home
        if self.closed or self._driver.world() is not home.world:
            return None
        with self._lock:
            connection = home.pool.take_at_once(origin, now())
            if connection is None:
                return None
            home.active.add(connection)
        if not connection.stream.is_stale():
            return connection
        self.drop(connection)
        return None

    async def lend(self, request: Request) -> Connection:
        """Return a connection for *request*, when it is its turn: a used one that is still good, or else a new one.

        Raises:
            AttemptFailed: None could be made.
            DaytonaConnectionTimeoutError: The deadline passed first.
            DaytonaClosedError: The client was closed first.
        """
        home = self._home
        if self.closed or self._driver.world() is not home.world:
            home = self.enter_world()
        place: tuple[Ticket, Gate] | None = None
        with self._lock:
            ticket, generation = home.pool.enter(), home.pool.generation
            if ticket is not None:
                place = ticket, self._driver.gate()
                home.gates[ticket] = place[1]
        if place is not None:
            await self._wait_in_line(request, *place, home, generation)
        try:
            return self._take_next(request.origin, home, generation) or await self._dial(
                request, home, generation
            )
        except BaseException:
            self._return_permit(home, generation)
            raise

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the client's end."""
        home, key, gate = self.enter_world(), object(), self._driver.gate()
        with self._lock:
            home.gates[key] = gate
        try:
            await gate.wait(seconds)
        except TimeoutError:
            pass  # as it should be: nobody opened the gate
        finally:
            with self._lock:
                home.gates.pop(key, None)

    async def _wait_in_line(
        self, request: Request, ticket: Ticket, gate: Gate, home: Home, generation: int
    ) -> None:
        """Wait until the permit that *ticket* stands for is granted."""
        try:
            await gate.wait(left())
        except BaseException as error:
            with self._lock:
                home.gates.pop(ticket, None)
                if generation == home.pool.generation:
                    self._wake(home, home.pool.abandon(ticket))
            if isinstance(error, TimeoutError):
                raise timed_out(request, "waiting for a free connection", "not_sent") from error
            raise
        if self.closed:
            raise DaytonaClosedError("The client was closed while the call waited for a connection")

    def _return_permit(self, home: Home, generation: int) -> None:
        with self._lock:
            if generation == home.pool.generation:
                self._wake(home, home.pool.leave())

    def _wake(self, home: Home, ticket: Ticket | None) -> None:
        if ticket is not None and (gate := home.gates.pop(ticket, None)) is not None:
            gate.open()

    def _take_next(self, origin: Origin, home: Home, generation: int) -> Connection | None:
        """Return a connection that is still good, closing on the way those found dead or idle for too long."""
        while True:
            with self._lock:
                expired = home.pool.expired(now())
                connection = home.pool.take(origin) if generation == home.pool.generation else None
                if connection is not None:
                    home.active.add(connection)
            for old in expired:
                old.stream.close()
            if connection is None or not connection.stream.is_stale():
                return connection
            self.discard(connection)

    async def _dial(self, request: Request, home: Home, generation: int) -> Connection:
        origin = request.origin
        with self._lock:
            displaced = home.pool.make_room()
        if displaced is not None:
            displaced.stream.close()
        began = now()
        try:
            stream = await self._connector.connect(origin)
        except TimeoutError as error:
            raise timed_out(request, "connecting", "not_sent") from error
        except DaytonaConnectionError as error:
            error.method, error.path = request.method, request.target.partition("?")[0]
            if not error.retryable:
                raise
            raise AttemptFailed(retry.Fault.CONNECT, error) from error.__cause__
        connection = Connection(origin, stream, home, generation, now() - began)
        with self._lock:
            home.active.add(connection)
            current = generation == home.pool.generation
        if not current:
            self.discard(connection)
            raise DaytonaClosedError("The client was closed while the call was connecting")
        return connection

    def keep(self, connection: Connection) -> None:
        """Put a connection back after a complete exchange."""
        connection.used = True
        home = connection.home
        with self._lock:
            home.active.discard(connection)
            kept = not self.closed and home.pool.give(
                connection.origin, connection, connection.generation, now()
            )
            if connection.generation == home.pool.generation:
                self._wake(home, home.pool.leave())
        if not kept:
            connection.stream.close()

    def release(self, connection: Connection) -> None:
        """Let go of a connection that has left HTTP; the client's end closes it all the same."""
        self._return_permit(connection.home, connection.generation)

    def drop(self, connection: Connection) -> None:
        """Close a connection whose exchange did not complete."""
        self.discard(connection)
        self._return_permit(connection.home, connection.generation)

    def discard(self, connection: Connection) -> None:
        """Close a connection, and forget it."""
        with self._lock:
            connection.home.active.discard(connection)
        connection.stream.close()
