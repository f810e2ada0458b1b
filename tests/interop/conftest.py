"""Scripts of the official client are run once; each test looks at one thing that they saw."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import ROOT, SCRIPTS, run_official

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


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The official surface."""
    found: dict[str, Any] = run_official("surface.py", directory=tmp_path_factory.mktemp("surface"))
    return found


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Our surface."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "surface.py")],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
