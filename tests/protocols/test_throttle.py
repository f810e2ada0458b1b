"""Slowing down together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from daytona.protocols.throttle import Bucket, Throttle, bucket_of

BUCKET = Bucket("host", "authenticated")


def reopened(*, wanted: float = 1.0) -> Throttle:
    """Return a throttle whose bucket was closed at 0, for so long."""
    throttle = Throttle()
    throttle.refused(BUCKET, 0.0, wanted)
    return throttle


def wave(throttle: Throttle, now: float) -> int:
    """Return how many are let in at once."""
    count = 0
    while (wait := throttle.admit(BUCKET, now)) == 0:
        count += 1
    assert wait > 0
    return count


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("POST", "/api/sandbox", "sandbox-create"),
        ("POST", "/api/sandbox/x/fork", "sandbox-create"),
        ("GET", "/api/sandbox?limit=3", "sandbox-list"),
        ("DELETE", "/api/sandbox/x", "sandbox-lifecycle"),
        ("POST", "/api/sandbox/x/start", "sandbox-lifecycle"),
        ("POST", "/api/sandbox/x/stop?force=true", "sandbox-lifecycle"),
        ("GET", "/api/sandbox/x", "authenticated"),
        ("PUT", "/api/sandbox/x/labels", "authenticated"),
        ("POST", "/toolbox/x/process/execute", "toolbox"),
    ],
)
def test_the_platform_counts_in_buckets(method: str, target: str, kind: str) -> None:
    assert bucket_of(method, "host", target) == Bucket("host", kind)


def test_nobody_waits_before_a_refusal() -> None:
    throttle = Throttle()
    assert not throttle.active
    assert throttle.admit(BUCKET, 0.0) == 0


def test_a_refusal_closes_its_bucket_for_everybody_and_no_other() -> None:
    throttle = Throttle()
    throttle.refused(BUCKET, 10.0, 5.0)
    assert throttle.admit(BUCKET, 12.0) == 3.0
    assert throttle.admit(Bucket("host", "toolbox"), 12.0) == 0


def test_who_comes_back_is_one_and_then_twice_as_many() -> None:
    throttle = reopened()
    admitted: list[int] = []
    for _ in range(3):
        admitted.append(wave(throttle, 2.0))
        for _ in range(admitted[-1]):
            throttle.passed(BUCKET, 2.0)
    assert admitted == [1, 2, 8]


def test_the_first_one_goes_at_the_very_moment_and_the_next_when_it_has_passed() -> None:
    throttle = reopened(wanted=5.0)
    assert throttle.active
    assert wave(throttle, 5.0) == 1
    throttle.passed(BUCKET, 5.0)
    assert wave(throttle, 5.0) == 2


def test_what_was_sent_before_the_refusal_opens_nothing() -> None:
    throttle = reopened(wanted=5.0)
    for _ in range(3):
        throttle.passed(BUCKET, 4.0)
    assert wave(throttle, 6.0) == 1


def test_who_was_not_let_in_makes_no_room_by_passing() -> None:
    throttle = reopened()
    throttle.passed(BUCKET, 2.0)
    assert wave(throttle, 2.0) == 2


def test_a_request_that_comes_to_nothing_makes_room_for_one() -> None:
    throttle = reopened()
    for _ in range(2):
        throttle.ended(BUCKET)  # it was on its way before the refusal
    assert wave(throttle, 2.0) == 1
    throttle.ended(BUCKET)
    assert wave(throttle, 2.0) == 1
    throttle.passed(BUCKET, 2.0)
    assert wave(throttle, 2.0) == 2
    throttle.ended(BUCKET)
    assert wave(throttle, 2.0) == 1


def test_another_refusal_begins_anew_while_others_are_under_way() -> None:
    throttle = reopened()
    assert wave(throttle, 2.0) == 1
    throttle.passed(BUCKET, 2.0)
    assert wave(throttle, 2.0) == 2
    throttle.refused(BUCKET, 2.0, 1.0)
    assert wave(throttle, 4.0) == 0
    throttle.refused(BUCKET, 4.0, 1.0)
    assert wave(throttle, 6.0) == 1


def test_a_shorter_refusal_shortens_no_longer_one() -> None:
    throttle = reopened(wanted=9.0)
    throttle.refused(BUCKET, 1.0, 1.0)
    assert throttle.admit(BUCKET, 5.0) == 4.0


def test_a_bucket_that_is_wide_open_again_is_forgotten() -> None:
    throttle = reopened()
    for _ in range(11):
        assert throttle.active
        throttle.admit(BUCKET, 2.0)
        throttle.passed(BUCKET, 2.0)
    assert not throttle.active


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["admit", "passed", "refused", "ended", "wait"]), max_size=60))
def test_a_closed_bucket_lets_nobody_in_before_its_time(acts: list[str]) -> None:
    throttle, now, closed_until = Throttle(), 0.0, 0.0
    for act in acts:
        match act:
            case "admit":
                assert (throttle.admit(BUCKET, now) > 0) or now >= closed_until
            case "passed":
                throttle.passed(BUCKET, now)
            case "refused":
                throttle.refused(BUCKET, now, 2.0)
                closed_until = now + 2.0
            case "ended":
                throttle.ended(BUCKET)
            case _:
                now += 0.7
