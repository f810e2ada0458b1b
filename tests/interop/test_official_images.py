"""The official client builds images, makes snapshots and forks against the embedded platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

EXPECTED = {
    "built": "from the official client\nb\n",
    "logs": True,
    "reason": True,
    "snapshot": ["interop-image", "active", 2, 2, 4],
    "snapshot logs": True,
    "get": True,
    "list": True,
    "from snapshot": [2, "from the official client\n"],
    "from files": "more\n",
    "fork": ["interop-child", "more\n"],
    "archived": "archived",
    "back": "more\n",
    "resized": 4,
    "left": [],
}
FAILURES = {
    "failing": ("DaytonaError", "entered error state: SandboxState.BUILD_FAILED"),
    "parent": ("DaytonaBadRequestError", "delete these first: interop-child"),
    "twice": ("DaytonaConflictError", "exists already"),
}


@pytest.fixture(scope="module")
def images_session(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the official client saw."""
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    seen: dict[str, Any] = run_official(
        "images_session.py", variables=variables, directory=tmp_path_factory.mktemp("official")
    )
    return seen


@pytest.mark.parametrize("step", EXPECTED)
def test_the_client_sees(step: str, images_session: dict[str, Any]) -> None:
    assert images_session[step] == EXPECTED[step]


@pytest.mark.parametrize("step", FAILURES)
def test_the_client_is_refused(step: str, images_session: dict[str, Any]) -> None:
    kind, words = FAILURES[step]
    assert images_session[step]["class"] == kind
    assert words in images_session[step]["text"]
