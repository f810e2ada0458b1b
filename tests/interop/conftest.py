"""Scripts of the official client are run once; each test looks at one thing that they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform


def _run(script: str, platform: Platform, factory: pytest.TempPathFactory) -> Any:
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    return run_official(script, variables=variables, directory=factory.mktemp("official"))


@pytest.fixture(scope="session")
def blocking_session(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the official blocking client saw."""
    seen: dict[str, Any] = _run("blocking_session.py", platform, tmp_path_factory)
    return seen


@pytest.fixture(scope="session")
def async_session(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the official asynchronous client saw."""
    seen: dict[str, Any] = _run("async_session.py", platform, tmp_path_factory)
    return seen
