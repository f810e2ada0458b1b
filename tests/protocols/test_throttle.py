"""Slowing down together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from daytona.protocols.throttle import Bucket, Throttle, bucket_of

BUCKET = Bucket("host", "authenticated")


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
    throttle = Throttle()
    throttle.refused(BUCKET, 0.0, 1.0)
    admitted = []
    for _ in range(3):
        wave = 0
        while throttle.admit(BUCKET, 2.0) == 0:
            wave += 1
        admitted.append(wave)
        for _ in range(wave):
            throttle.passed(BUCKET, 2.0)
    assert admitted == [1, 2, 8]


def test_a_bucket_that_is_wide_open_again_is_forgotten() -> None:
    throttle = Throttle()
    throttle.refused(BUCKET, 0.0, 1.0)
    for _ in range(20):
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
