"""When a call is made again: the whole table, spelled out a second time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.retry import FAULT_OF_STATUS, TABLE, Fault, Policy, delay, retry_after, row_for

METHODS = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"]
CHANGES_NOTHING_WHEN_REPEATED = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}


def again(fault: Fault, method: str, replayable: bool) -> bool:
    """Return what the promise says, in words of its own."""
    if fault is Fault.CONNECT:
        return True
    if not replayable:
        return False
    return fault in (Fault.STALE, Fault.RATE_LIMITED) or method in CHANGES_NOTHING_WHEN_REPEATED


@pytest.mark.parametrize(
    ("fault", "method", "replayable"), list(itertools.product(Fault, METHODS, [True, False])), ids=str
)
def test_every_cell_of_the_table(fault: Fault, method: str, replayable: bool) -> None:
    """R-15: which calls are made again, after which fault."""
    row = row_for(fault, method, replayable=replayable)
    assert (row is not None) == again(fault, method, replayable)
    if row is not None:
        assert row.waits == (fault is not Fault.STALE)


def test_the_table_has_one_row_for_every_fault() -> None:
    assert [row.fault for row in TABLE] == list(Fault)


def test_only_four_statuses_are_faults() -> None:
    assert set(FAULT_OF_STATUS) == {429, 502, 503, 504}


policies = st.builds(
    Policy,
    first_delay=st.floats(0.01, 1),
    longest_delay=st.floats(1, 10),
    longest_retry_after=st.floats(1, 100),
)
fractions = st.floats(0, 1)


@given(policies, st.integers(1, 60), fractions)
def test_a_delay_of_ours_stays_below_its_ceiling(policy: Policy, attempt: int, fraction: float) -> None:
    waited = delay(policy, attempt, fraction, None)
    assert 0 <= waited <= min(policy.longest_delay, policy.first_delay * 2 ** (attempt - 1))


@given(policies, st.integers(1, 60), fractions, st.floats(0, 1e9))
def test_what_the_server_wants_is_kept_within_reason(
    policy: Policy, attempt: int, fraction: float, wanted: float
) -> None:
    waited = delay(policy, attempt, fraction, wanted)
    assert min(wanted, policy.longest_retry_after) <= waited
    assert waited <= policy.longest_retry_after + policy.first_delay


def test_the_ceiling_doubles_until_it_is_reached() -> None:
    policy = Policy(first_delay=0.25, longest_delay=2.0)
    assert [delay(policy, attempt, 1.0, None) for attempt in (1, 2, 3, 4, 5, 50)] == [0.25, 0.5, 1, 2, 2, 2]


@pytest.mark.parametrize("attempt", [1100, 10**6])
def test_a_ridiculous_attempt_is_no_overflow(attempt: int) -> None:
    assert delay(Policy(), attempt, 1.0, None) == Policy().longest_delay


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-anonymous": "3"}, 3.0),
        ({"retry-after-short": "3", "retry-after-long": "20"}, 20.0),
        ({"retry-after": "1", "retry-after-long": "20"}, 1.0),
        ({"retry-after": "soon", "retry-after-long": "20"}, 20.0),
        ({"retry-after-short": "x", "retry-after-long": "2"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "\u00b2"}, None),
        ({"retry-after": "\u0665"}, None),
        ({"retry-after": "9" * 400}, float("inf")),
        ({"x-retry-after": "5", "retry-afterwards": "5"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_an_endless_retry_after_is_cut() -> None:
    wanted = retry_after({"retry-after": "9" * 400})
    assert delay(Policy(), 1, 0.0, wanted) == Policy().longest_retry_after


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-a", "date"]), st.text(max_size=10)))
def test_no_header_raises(headers: dict[str, str]) -> None:
    wanted = retry_after(headers)
    assert wanted is None or wanted >= 0
