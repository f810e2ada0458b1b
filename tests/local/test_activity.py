"""When the platform writes down that a sandbox is in use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.activity import THROTTLE, WHILE_CONNECTED, Activity

if TYPE_CHECKING:
    from collections.abc import Callable


class Clocked(asyncio.SelectorEventLoop):
    """A loop whose clock stands still."""

    now = 1000.0

    def time(self) -> float:
        return self.now


def noted_by(scenario: Callable[[Activity, Clocked], None]) -> list[str]:
    """Return what is written down in a *scenario*."""
    noted: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clocked)
        scenario(Activity(noted.append), loop)

    with asyncio.Runner(loop_factory=Clocked) as runner:
        runner.run(run())
    return noted


def test_many_requests_are_written_down_once() -> None:
    def scenario(activity: Activity, loop: Clocked) -> None:
        for _ in range(3):
            with activity.connection("a"):
                pass
        loop.now += THROTTLE
        activity.touch("a")

    assert noted_by(scenario) == ["a", "a"]


def test_a_long_request_is_written_down_now_and_then_until_it_ends() -> None:
    def scenario(activity: Activity, loop: Clocked) -> None:
        with activity.connection("a"):
            with activity.connection("a"):
                activity.keep()
            loop.now += WHILE_CONNECTED / 2
            activity.keep()
            loop.now += WHILE_CONNECTED / 2
            activity.keep()
        loop.now += WHILE_CONNECTED
        activity.keep()

    assert noted_by(scenario) == ["a", "a"]


def test_a_sandbox_that_is_forgotten_starts_anew() -> None:
    def scenario(activity: Activity, _loop: Clocked) -> None:
        activity.touch("a")
        activity.forget("a")
        activity.touch("a")

    assert noted_by(scenario) == ["a", "a"]
