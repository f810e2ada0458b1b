"""The official clients use our terminals and our interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

EXPECTED: dict[str, Any] = {
    "terminal": [True, True, 7, "non-zero exit"],
    "size": [5, 6],
    "connected again": 3,
    "listed": ["three"],
    "killed": 137,
    "gone": "DaytonaNotFoundError",
    "run": ["hi\n", True, ["hi\n"]],
    "context": ["/tmp b\n", "ZeroDivisionError", "division by zero"],
    "timeout": "DaytonaTimeoutError",
    "kept": "/\n",
    "contexts": 1,
    "deleted": "DaytonaConnectionError",
    "async terminal": [9, "non-zero exit", True],
    "async killed": 137,
    "async run": ["1\n", "2\n"],
}


@pytest.fixture(scope="module")
def seen(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the official clients saw."""
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    answers: dict[str, Any] = run_official(
        "terminal_session.py", variables=variables, directory=tmp_path_factory.mktemp("official")
    )
    return answers


@pytest.mark.parametrize("step", EXPECTED)
def test_the_official_clients_see(step: str, seen: dict[str, Any]) -> None:
    assert seen[step] == EXPECTED[step]
