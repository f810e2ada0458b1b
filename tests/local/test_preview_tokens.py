"""Signed previews end by the clock, and when they are told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.preview_tokens import PreviewTokens, TokenRecord
from tests.local.fake_driver import fake_sandboxes
from tests.local.test_platform_sandboxes import Clock

if TYPE_CHECKING:
    from collections.abc import Callable


def with_tokens(scenario: Callable[[PreviewTokens, Clock], None]) -> None:
    async def run() -> None:
        clock = Clock()
        async with fake_sandboxes(clock=clock) as (sandboxes, _driver):
            scenario(PreviewTokens(sandboxes.store.shelf("preview token", TokenRecord), clock), clock)

    asyncio.run(run())


def test_a_token_opens_its_port_until_its_time_is_up() -> None:
    def scenario(tokens: PreviewTokens, clock: Clock) -> None:
        token = tokens.issue("box", 3000, lifetime=60).token
        found = tokens.find(3000, token)
        assert found is not None
        assert found.sandbox_id == "box"
        assert tokens.find(3001, token) is None
        clock.now += 59.9
        assert tokens.find(3000, token) is not None
        clock.now += 0.1
        assert tokens.find(3000, token) is None

    with_tokens(scenario)


def test_only_its_own_sandbox_can_end_a_token() -> None:
    def scenario(tokens: PreviewTokens, _clock: Clock) -> None:
        token = tokens.issue("box", 3000, lifetime=60).token
        tokens.expire("another", 3000, token)
        assert tokens.find(3000, token) is not None
        tokens.expire("box", 3000, token)
        tokens.expire("box", 3000, token)
        assert tokens.find(3000, token) is None

    with_tokens(scenario)
