"""What a broken exchange becomes: which error, what it says of the outcome, and whether the call may be repeated."""

from __future__ import annotations

import pytest

from daytona.errors import DaytonaConnectionError, DaytonaConnectionTimeoutError, DaytonaError
from daytona.protocols import retry
from daytona.protocols.http1 import ProtocolError
from daytona.protocols.rest import Endpoint
from daytona.transport._deadline import Deadline, Silence
from daytona.transport._faults import AttemptFailed, broken_off, timed_out, url_of

REQUEST = Endpoint("https://api.test:8443/api", {}).request("POST", "/x", query={"token": "secret"})
RESET = ConnectionResetError("reset by peer")


def error_of(failure: AttemptFailed | DaytonaError) -> DaytonaError:
    return failure.error if isinstance(failure, AttemptFailed) else failure


@pytest.mark.parametrize("error", [RESET, ProtocolError("no HTTP")], ids=["network", "protocol"])
def test_an_answer_that_had_begun_is_final(error: OSError | ProtocolError) -> None:
    failure = broken_off(REQUEST, error, begun=True, stale=True)
    assert type(failure) is DaytonaConnectionError
    assert failure.outcome == "unknown"
    assert str(failure) == f"POST https://api.test:8443/api/x got no complete answer: {error}"


@pytest.mark.parametrize(("stale", "fault"), [(True, retry.Fault.STALE), (False, retry.Fault.BROKEN)])
def test_without_a_byte_of_an_answer_the_retry_table_decides(stale: bool, fault: retry.Fault) -> None:
    failure = broken_off(REQUEST, RESET, begun=False, stale=stale)
    assert isinstance(failure, AttemptFailed)
    assert failure.fault is fault
    assert failure.error.outcome == "unknown"
    assert failure.error.retryable


def test_a_deadline_that_passes_is_a_timeout_and_final() -> None:
    failure = broken_off(REQUEST, TimeoutError(), begun=False, stale=False)
    assert type(failure) is DaytonaConnectionTimeoutError
    assert failure.outcome == "unknown"
    assert str(failure).endswith("took longer than its timeout, waiting for the answer")


def test_a_silent_peer_is_told_from_a_deadline_that_passed() -> None:
    with Silence(2.5):
        stalled = broken_off(REQUEST, TimeoutError(), begun=True, stale=False)
        with Deadline(1e-9):
            late = broken_off(REQUEST, TimeoutError(), begun=True, stale=False)
    assert str(stalled).endswith("stalled: nothing moved for 2.5 seconds")
    assert str(late).endswith("took longer than its timeout, waiting for the answer")


def test_every_fault_names_the_request_and_no_secret() -> None:
    with Silence(1.0):
        stalled = broken_off(REQUEST, TimeoutError(), begun=False, stale=False)
    failures = [
        stalled,
        broken_off(REQUEST, RESET, begun=False, stale=False),
        timed_out(REQUEST, "connecting", "not_sent"),
    ]
    for error in map(error_of, failures):
        assert url_of(REQUEST) in str(error)
        assert "secret" not in str(error)
        assert error.retryable
        assert (error.method, error.path) == ("POST", "/api/x")
