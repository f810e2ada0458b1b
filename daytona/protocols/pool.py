"""Which connection serves which call.

The pool decides and never touches a socket: a driver asks it, dials when told to, and wakes whom it names.

* At most `limit` calls hold a permit. Who finds none waits with a `Ticket`, first come, first served; a returned permit
  goes straight to the longest-waiting ticket, so nobody can overtake.
* Idle connections lie on one stack per origin. The last one used is taken first: it is the least likely to have been
  closed by the server, and the others age until they expire.
* Open connections never outnumber `limit`: whoever must dial gets the longest-idle one of another origin to close.
* Each world, an event loop or a process, has a pool of its own. A connection belongs to a generation of its pool. When the
  client or the world ends, `renew` begins the next one: everything idle is handed out to be dropped, and what comes back
  later from an older generation is refused.

Every operation costs the same however many connections there are.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Origin", "Pool", "Ticket"]

C = TypeVar("C")


class Origin(NamedTuple):
    """Where connections lead: those to equal origins are interchangeable."""

    scheme: str
    host: str
    port: int

    @property
    def name(self) -> bytes | str:
        """The host as a resolver takes it: as text it would be encoded by tables that take longer to load than to connect."""
        return self.host.encode("ascii") if self.host.isascii() else self.host


class Ticket:
    """A place in the queue for a permit."""

    __slots__ = ("granted",)

    def __init__(self) -> None:
        self.granted = False


class Pool(Generic[C]):
    """Idle connections, permits, and who waits for one.

    Raises:
        ValueError: The limit would let nobody in.
    """

    def __init__(self, limit: int | None = None, idle_seconds: float = 30.0) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"a pool must let at least 1 call in, not {limit}")
        self._limit = limit if limit is not None else 2**63
        self._idle_seconds = idle_seconds
        self._permits = 0
        self._waiting: OrderedDict[Ticket, None] = OrderedDict()
        self._stacks: dict[Origin, list[C]] = {}
        self._idle: OrderedDict[C, tuple[Origin, float]] = OrderedDict()
        self._fresh_until = -inf
        self.generation = 0

    @property
    def permits(self) -> int:
        """How many calls hold a permit."""
        return self._permits

    @property
    def idle(self) -> int:
        """How many connections lie ready."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many calls wait for a permit."""
        return len(self._waiting)

    def enter(self) -> Ticket | None:
        """Take a permit, or a ticket to wait with."""
        if self._permits < self._limit and not self._waiting:
            self._permits += 1
            return None
        ticket = Ticket()
        self._waiting[ticket] = None
        return ticket

    def leave(self) -> Ticket | None:
        """Give a permit back; return the ticket that it went to, whose holder must be woken."""
        if not self._waiting:
            self._permits -= 1
            return None
        ticket, _ = self._waiting.popitem(last=False)
        ticket.granted = True
        return ticket

    def abandon(self, ticket: Ticket) -> Ticket | None:
        """Stop waiting; return the ticket to wake when the permit had just been granted."""
        if ticket.granted:
            return self.leave()
        del self._waiting[ticket]
        return None

    def take_at_once(self, origin: Origin, now: float) -> C | None:
        """Take a permit and the idle connection to *origin* that was used last, or nothing.

        It is nothing also when a connection may have been idle for too long: ask `expired` first.
        """
        if now >= self._fresh_until or self._permits >= self._limit or self._waiting:
            return None
        connection = self.take(origin)
        if connection is not None:
            self._permits += 1
        return connection

    def take(self, origin: Origin) -> C | None:
        """Return the idle connection to *origin* that was used last, or None: dial."""
        stack = self._stacks.get(origin)
        if not stack:
            return None
        connection = stack.pop()
        if not stack:
            del self._stacks[origin]
        del self._idle[connection]
        return connection

    def give(self, origin: Origin, connection: C, generation: int, now: float) -> bool:
        """Put a healthy connection back; False means that it is of an older generation: close it."""
        if generation != self.generation:
            return False
        stack = self._stacks.get(origin)
        if stack is None:
            self._stacks[origin] = [connection]
        else:
            stack.append(connection)
        self._idle[connection] = (origin, now)
        return True

    def make_room(self) -> C | None:
        """Return the longest-idle connection, to be closed before another is dialled, or None: there is room."""
        if self._permits + len(self._idle) <= self._limit or not self._idle:
            return None
        return self._forget(next(iter(self._idle)))

    def expired(self, now: float) -> list[C]:
        """Return the connections that have been idle for too long, to be closed."""
        dropped: list[C] = []
        self._fresh_until = now + self._idle_seconds
        while self._idle:
            connection, (_, since) = next(iter(self._idle.items()))
            if now - since < self._idle_seconds:
                self._fresh_until = since + self._idle_seconds
                break
            dropped.append(self._forget(connection))
        return dropped

    def renew(self) -> list[C]:
        """Begin the next generation; return the idle connections of the last one, to be dropped without a word."""
        self.generation += 1
        dropped = list(self._idle)
        self._idle.clear()
        self._stacks.clear()
        self._waiting.clear()
        self._permits = 0
        return dropped

    def _forget(self, connection: C) -> C:
        origin, _ = self._idle.pop(connection)
        stack = self._stacks[origin]
        stack.pop(0)  # the longest-idle one of all is the longest-idle one of its origin
        if not stack:
            del self._stacks[origin]
        return connection
