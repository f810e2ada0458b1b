"""Lending connections: who gets which, who waits, and what happens to them at the end. No bytes move here."""

from __future__ import annotations

from functools import partial

import pytest

from daytona.errors import (
    DaytonaCertificateError,
    DaytonaClosedError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
)
from daytona.protocols import retry
from daytona.protocols.rest import Endpoint
from daytona.service import step
from daytona.transport._connections import AT_ONCE, Connection, Connections, Home
from daytona.transport._deadline import Deadline
from daytona.transport._faults import AttemptFailed
from daytona.transport.blocking import BlockingDriver

from .canned_stream import CannedConnector, CannedStream, as_connector
from .worlds import driver_of, together

HERE = Endpoint("http://here.test", {}).request("POST", "/x?token=secret")
THERE = Endpoint("http://there.test", {}).request("GET", "/y")


def connections(face: str, *streams: CannedStream | Exception, limit: int | None = None) -> Connections:
    return Connections(driver_of(face), as_connector(CannedConnector(*streams)), limit)


def permits(lender: Connections) -> int:
    """Return how many calls are under way in this world."""
    home = lender.home()
    return home.pool.permits if home is not None else 0


# -- Which connection ---------------------------------------------------------------------------------------------------


async def test_a_connection_that_was_kept_is_lent_again(face: str) -> None:
    stream = CannedStream()
    lender = connections(face, stream)
    first = await lender.lend(HERE)
    assert not first.used
    lender.keep(first)
    second = await lender.lend(HERE)
    assert second is first
    assert second.used
    assert permits(lender) == 1


async def test_a_connection_to_one_place_is_not_lent_for_another(face: str) -> None:
    connector = CannedConnector(CannedStream(), CannedStream())
    lender = Connections(driver_of(face), as_connector(connector), None)
    lender.keep(await lender.lend(HERE))
    lender.keep(await lender.lend(THERE))
    assert connector.dialled == [HERE.origin, THERE.origin]


async def test_an_idle_connection_found_dead_is_closed_and_replaced(face: str) -> None:
    dead, fresh = CannedStream(), CannedStream()
    lender = connections(face, dead, fresh)
    lender.keep(await lender.lend(HERE))
    dead.stale = True
    assert (await lender.lend(HERE)).stream is fresh
    assert dead.closed


async def test_a_connection_at_hand_is_taken_without_waiting(face: str) -> None:
    lender = connections(face, CannedStream(), limit=1)
    assert lender.take(HERE.origin) is None
    kept = await lender.lend(HERE)
    assert lender.take(HERE.origin) is None
    lender.keep(kept)
    assert lender.take(THERE.origin) is None
    assert lender.take(HERE.origin) is kept
    assert permits(lender) == 1
    lender.keep(kept)
    lender.abandon()
    assert lender.take(HERE.origin) is None


async def test_a_connection_at_hand_that_is_dead_is_closed_and_leaves_no_permit_behind(face: str) -> None:
    dead = CannedStream()
    lender = connections(face, dead)
    lender.keep(await lender.lend(HERE))
    dead.stale = True
    assert lender.take(HERE.origin) is None
    assert dead.closed
    assert permits(lender) == 0


async def test_an_idle_connection_makes_room_for_one_to_another_place(face: str) -> None:
    old, new = CannedStream(), CannedStream()
    lender = connections(face, old, new, limit=1)
    lender.keep(await lender.lend(HERE))
    await lender.lend(THERE)
    assert old.closed
    assert not new.closed


async def test_a_dropped_connection_is_closed_and_makes_way(face: str) -> None:
    dropped, fresh = CannedStream(), CannedStream()
    lender = connections(face, dropped, fresh, limit=1)
    lender.drop(await lender.lend(HERE))
    assert dropped.closed
    assert (await lender.lend(HERE)).stream is fresh


async def test_a_connection_that_left_http_makes_way_and_stays_open_until_the_client_ends(face: str) -> None:
    upgraded, other = CannedStream(), CannedStream()
    lender = connections(face, upgraded, other, limit=1)
    lender.release(await lender.lend(HERE))
    await lender.lend(HERE)
    assert not upgraded.closed
    assert lender.any
    lender.abandon()
    assert upgraded.closed


# -- Failing to connect -------------------------------------------------------------------------------------------------


async def test_a_failure_to_connect_names_the_request_and_takes_no_permit(face: str) -> None:
    lender = connections(face, DaytonaConnectionError("Cannot connect", retryable=True))
    with pytest.raises(AttemptFailed) as caught:
        await lender.lend(HERE)
    assert caught.value.fault is retry.Fault.CONNECT
    assert (caught.value.error.method, caught.value.error.path) == ("POST", "/x")
    assert permits(lender) == 0


async def test_a_failure_that_will_not_pass_is_raised_as_it_is(face: str) -> None:
    lender = connections(face, DaytonaCertificateError("expired"))
    with pytest.raises(DaytonaCertificateError, match="expired"):
        await lender.lend(HERE)
    assert permits(lender) == 0


async def test_a_deadline_that_passes_while_connecting_is_told_as_such(face: str) -> None:
    lender = connections(face, TimeoutError())
    with pytest.raises(
        DaytonaConnectionTimeoutError, match=r"http://here.test:80/x .* connecting$"
    ) as caught:
        await lender.lend(HERE)
    assert caught.value.outcome == "not_sent"
    assert permits(lender) == 0


# -- Waiting in line ----------------------------------------------------------------------------------------------------


async def test_a_call_beyond_the_limit_gets_the_connection_of_the_one_before(face: str) -> None:
    lender = connections(face, CannedStream(), limit=1)
    first = await lender.lend(HERE)

    async def give_back() -> None:
        home = lender.home()
        assert home is not None
        while not home.pool.waiting:
            await driver_of(face).sleep(0.001)
        lender.keep(first)

    lent, _ = await together(face, partial(_lend_here, lender), give_back)
    assert lent is first
    assert permits(lender) == 1


async def test_a_wait_ends_with_the_deadline_and_leaves_the_line(face: str) -> None:
    lender = connections(face, CannedStream(), limit=1)
    first = await lender.lend(HERE)
    with (
        Deadline(0.01),
        pytest.raises(DaytonaConnectionTimeoutError, match="waiting for a free connection") as caught,
    ):
        await lender.lend(HERE)
    assert caught.value.outcome == "not_sent"
    lender.keep(first)
    assert permits(lender) == 0


async def _lend_here(lender: Connections) -> Connection:
    return await lender.lend(HERE)


# -- The end ------------------------------------------------------------------------------------------------------------


async def test_the_end_closes_what_is_idle_and_what_is_lent(face: str) -> None:
    idle, lent = CannedStream(), CannedStream()
    lender = connections(face, idle, lent)
    lender.keep(await lender.lend(HERE))
    await lender.lend(THERE)
    lender.abandon()
    assert idle.closed
    assert lent.closed
    assert not lender.any


async def test_nothing_is_lent_after_the_end(face: str) -> None:
    lender = connections(face, CannedStream())
    lender.keep(await lender.lend(HERE))
    lender.abandon()
    with pytest.raises(DaytonaClosedError):
        await lender.lend(HERE)


async def test_whoever_waits_is_told_of_the_end(face: str) -> None:
    lender = connections(face, CannedStream(), limit=1)
    await lender.lend(HERE)

    async def end() -> None:
        home = lender.home()
        assert home is not None
        while not home.pool.waiting:
            await driver_of(face).sleep(0.001)
        lender.abandon()

    told, _ = await together(face, partial(_lend_here, lender), end)
    assert isinstance(told, DaytonaClosedError)


async def test_a_connection_that_comes_back_after_the_end_is_closed(face: str) -> None:
    late = CannedStream()
    lender = connections(face, late)
    connection = await lender.lend(HERE)
    lender.abandon()
    late.closed = False
    lender.keep(connection)
    assert late.closed


async def test_a_connection_that_is_made_as_the_client_ends_is_closed(face: str) -> None:
    made = CannedStream()

    class Ending(CannedConnector):
        async def connect(self, origin: object) -> CannedStream:
            lender.abandon()
            return made

    lender = Connections(driver_of(face), as_connector(Ending()), None)
    with pytest.raises(DaytonaClosedError, match="while the call was connecting"):
        await lender.lend(HERE)
    assert made.closed


async def test_a_pause_lasts_as_long_as_it_says_and_leaves_nothing(face: str) -> None:
    lender = connections(face)
    await lender.pause(0.001)
    home = lender.home()
    assert home is not None
    assert home.gates == {}


async def test_a_pause_ends_with_the_client(face: str) -> None:
    lender = connections(face)
    home = lender.enter_world()

    async def end() -> None:
        while not home.gates:
            await driver_of(face).sleep(0.001)
        lender.abandon()

    assert await together(face, partial(lender.pause, 60), end) == [None, None]


# -- Worlds -------------------------------------------------------------------------------------------------------------


class Travelling(BlockingDriver):
    """A driver whose event loops a test begins and ends."""

    here: object = "first"
    ended: frozenset[object] = frozenset()

    def world(self) -> object:
        """Return where the test is."""
        return self.here

    def is_over(self, world: object) -> bool:
        """Return whether the test has ended it."""
        return world in self.ended


def test_a_world_does_not_touch_the_connections_of_another_one() -> None:
    driver, streams = Travelling(), [CannedStream(), CannedStream()]
    lender = Connections(driver, as_connector(CannedConnector(*streams)), limit=1)
    lender.keep(step(lender.lend(HERE)))
    driver.here = "second"
    assert step(lender.lend(HERE)).stream is streams[1]
    driver.here = "first"
    assert step(lender.lend(HERE)).stream is streams[0]


def test_the_connections_of_a_world_that_is_over_are_closed_by_the_next_one() -> None:
    driver, streams = Travelling(), [CannedStream(), CannedStream(), CannedStream()]
    lender = Connections(driver, as_connector(CannedConnector(*streams)), None)
    kept, _lent = step(lender.lend(HERE)), step(lender.lend(HERE))
    lender.keep(kept)
    driver.here, driver.ended = "second", frozenset({"first"})
    step(lender.lend(HERE))
    assert [stream.closed for stream in streams] == [True, True, False]


# -- A used connection that ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "round_trip", "waited", "dead"),
    [
        pytest.param(True, 0.1, None, True, id="the request did not get out"),
        pytest.param(True, 0.1, 0.07, True, id="sooner than the server can have read it"),
        pytest.param(True, 0.1, 0.08, False, id="late enough to be an answer"),
        pytest.param(True, 0.0, AT_ONCE / 2, True, id="at once, on this machine"),
        pytest.param(True, 0.0, AT_ONCE * 2, False, id="not at once, on this machine"),
        pytest.param(False, 0.1, None, False, id="a new connection"),
    ],
)
def test_whether_a_connection_was_dead_before_a_request(
    used: bool, round_trip: float, waited: float | None, dead: bool
) -> None:
    connection = Connection(HERE.origin, CannedStream(), Home(None, None), 0, round_trip)
    connection.used = used
    assert connection.was_dead_before(waited) is dead
