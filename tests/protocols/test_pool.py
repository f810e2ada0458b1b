"""The pool: what holds after any sequence of calls, cancellations, closings and new worlds."""

from __future__ import annotations

import itertools
from collections import deque

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daytona.protocols.pool import Origin, Pool, Ticket

ORIGINS = [Origin("http", "a", 80), Origin("http", "b", 80), Origin("https", "a", 443)]
IDLE_SECONDS = 30.0


class Caller:
    """A call: it has a permit or waits for one, and perhaps uses a connection."""

    def __init__(self, origin: Origin, generation: int, ticket: Ticket | None) -> None:
        self.origin = origin
        self.generation = generation
        self.ticket = ticket
        self.connection: int | None = None
        self.connection_generation = generation

    @property
    def has_permit(self) -> bool:
        return self.ticket is None or self.ticket.granted


class PoolMachine(RuleBasedStateMachine):
    """Plays a driver with perfect memory: it knows what every socket is doing and compares."""

    LIMIT = 3

    def __init__(self) -> None:
        super().__init__()
        self.pool: Pool[int] = Pool(self.LIMIT, IDLE_SECONDS)
        self.now = 0.0
        self.callers: list[Caller] = []
        self.queue: deque[Caller] = deque()
        self.idle: list[tuple[int, Origin, float]] = []  # the longest-idle first
        self.names = itertools.count()
        assert self.pool.expired(self.now) == []

    # -- What callers do ----------------------------------------------------------------------------------------

    @rule(origin=st.sampled_from(ORIGINS))
    def enter(self, origin: Origin) -> None:
        """A permit is given exactly when one is free and nobody was there before."""
        free = self.permits < self.LIMIT
        ticket = self.pool.enter()
        caller = Caller(origin, self.pool.generation, ticket)
        assert (ticket is None) == (free and not self.queue)
        self.callers.append(caller)
        if ticket is not None:
            self.queue.append(caller)

    @precondition(lambda self: self.users)
    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        """The last one used comes first; who has to dial gets room for one more."""
        caller = data.draw(st.sampled_from(self.users))
        mine = [item for item in self.idle if item[1] == caller.origin]
        caller.connection = self.pool.take(caller.origin)
        if mine:
            assert caller.connection == mine[-1][0]
            self.idle.remove(mine[-1])
            return
        assert caller.connection is None
        displaced = self.pool.make_room()
        if displaced is not None:
            assert displaced == self.idle.pop(0)[0]
        caller.connection, caller.connection_generation = next(self.names), self.pool.generation
        assert self.permits + len(self.idle) <= self.LIMIT + self.between_permit_and_connection

    @rule(origin=st.sampled_from(ORIGINS))
    def enter_and_connect(self, origin: Origin) -> None:
        """Both are had at once exactly when nobody would be overtaken and nothing has to be made."""
        mine = [item for item in self.idle if item[1] == origin]
        free = self.permits < self.LIMIT and not self.queue
        connection = self.pool.take_at_once(origin, self.now)
        assert connection == (mine[-1][0] if mine and free else None)
        if connection is not None:
            self.idle.remove(mine[-1])
            caller = Caller(origin, self.pool.generation, None)
            caller.connection = connection
            self.callers.append(caller)

    @precondition(lambda self: self.connected)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """A healthy connection is kept, and its permit goes to the longest-waiting caller."""
        caller = data.draw(st.sampled_from(self.connected))
        assert caller.connection is not None
        assert self.pool.give(caller.origin, caller.connection, caller.connection_generation, self.now)
        self.idle.append((caller.connection, caller.origin, self.now))
        self.leave(caller)

    @precondition(lambda self: self.users + self.connected)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A connection that broke, or was never made, is not kept; its permit is."""
        self.leave(data.draw(st.sampled_from(self.users + self.connected)))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """A caller that waits and is cancelled leaves no trace."""
        caller = data.draw(st.sampled_from(list(self.queue)))
        assert caller.ticket is not None
        assert self.pool.abandon(caller.ticket) is None
        self.queue.remove(caller)
        self.callers.remove(caller)

    @precondition(lambda self: self.queue and self.users + self.connected)
    @rule(data=st.data())
    def give_up_just_after_the_grant(self, data: st.DataObject) -> None:
        """A caller that is cancelled after its grant and before it wakes hands the permit on."""
        first = self.queue[0]
        self.leave(data.draw(st.sampled_from(self.users + self.connected)))
        assert first.ticket is not None
        self.woken(self.pool.abandon(first.ticket), first)

    def leave(self, caller: Caller) -> None:
        self.woken(self.pool.leave(), caller)

    def woken(self, ticket: Ticket | None, gone: Caller) -> None:
        """Check that the permit of *gone* went to whoever waited longest."""
        self.callers.remove(gone)
        expected = self.queue.popleft().ticket if self.queue else None
        assert ticket is expected
        assert ticket is None or ticket.granted

    # -- What happens around them ---------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        old = [name for name, _, since in self.idle if self.now - since >= IDLE_SECONDS]
        assert self.pool.expired(self.now) == old
        self.idle = [item for item in self.idle if item[0] not in old]

    @rule()
    def renew(self) -> None:
        """A new world: nothing of the old one is used again, and what comes back late is refused."""
        old, before = self.callers, self.pool.generation
        assert self.pool.renew() == [name for name, _, _ in self.idle]
        assert self.pool.generation == before + 1
        for caller in old:
            if caller.connection is not None:
                assert not self.pool.give(
                    caller.origin, caller.connection, caller.connection_generation, self.now
                )
        self.callers, self.queue, self.idle = [], deque(), []

    # -- What always holds --------------------------------------------------------------------------------------

    @property
    def permits(self) -> int:
        return sum(caller.has_permit for caller in self.callers)

    @property
    def users(self) -> list[Caller]:
        return [caller for caller in self.callers if caller.has_permit and caller.connection is None]

    @property
    def connected(self) -> list[Caller]:
        return [caller for caller in self.callers if caller.connection is not None]

    @property
    def between_permit_and_connection(self) -> int:
        return len(self.users)

    @invariant()
    def counts_agree(self) -> None:
        assert self.pool.permits == self.permits
        assert 0 <= self.pool.permits <= self.LIMIT
        assert self.pool.waiting == len(self.queue)
        assert self.pool.idle == len(self.idle)

    @invariant()
    def nobody_waits_beside_a_free_permit(self) -> None:
        assert not self.queue or self.permits == self.LIMIT

    @invariant()
    def no_connection_is_in_two_hands(self) -> None:
        used = [caller.connection for caller in self.connected] + [name for name, _, _ in self.idle]
        assert len(used) == len(set(used))

    @invariant()
    def nothing_is_remembered_of_origins_without_connections(self) -> None:
        assert set(self.pool._stacks) == {origin for _, origin, _ in self.idle}


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=120, stateful_step_count=40)


def test_a_connection_that_has_been_idle_for_too_long_is_not_taken_at_once() -> None:
    pool: Pool[str] = Pool(None, IDLE_SECONDS)
    pool.give(ORIGINS[0], "old", pool.generation, 0.0)
    pool.give(ORIGINS[0], "new", pool.generation, 29.0)
    assert pool.expired(29.0) == []
    assert pool.take_at_once(ORIGINS[0], 30.0) is None
    assert pool.expired(30.0) == ["old"]
    assert pool.take_at_once(ORIGINS[0], 58.0) == "new"


def test_without_a_limit_nobody_waits() -> None:
    pool: Pool[int] = Pool()
    assert [pool.enter() for _ in range(1000)] == [None] * 1000
    assert pool.permits == 1000
    assert pool.make_room() is None


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pool(0)


def test_the_wait_is_first_come_first_served() -> None:
    pool: Pool[int] = Pool(1)
    assert pool.enter() is None
    tickets = [pool.enter() for _ in range(5)]
    assert [pool.leave() for _ in range(5)] == tickets
    assert pool.leave() is None
    assert pool.permits == 0


def test_a_call_that_could_overtake_waits() -> None:
    pool: Pool[int] = Pool(1)
    pool.enter()
    first = pool.enter()
    assert first is not None
    pool.leave()
    assert first.granted
    second = pool.enter()
    assert second is not None
    assert not second.granted


def test_room_is_made_for_another_origin_by_closing_the_longest_idle() -> None:
    pool: Pool[str] = Pool(2)
    for name in ("first", "second"):
        pool.enter()
        pool.give(ORIGINS[0], name, pool.generation, 0.0)
        pool.leave()
    pool.enter()
    assert pool.take(ORIGINS[1]) is None
    assert pool.make_room() == "first"
    assert pool.make_room() is None
