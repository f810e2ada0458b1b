"""The official client's methods, all of them, do what they say on the embedded platform, or are refused for a known reason.

So do those of older clients: one of the time of the oldest server whose source is published, and one between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import OLDER_CLIENTS, VERSION, run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

REFUSED = {
    "Process.get_entrypoint_logs": "DaytonaNotFoundError",
    "Process.get_entrypoint_logs_async": "Daytona",
    "Process.get_entrypoint_session": "DaytonaNotFoundError",
    "Sandbox.recover": ("DaytonaBadRequestError", "DaytonaValidationError"),  # the latter is the older name
    "SnapshotService.activate": "BadRequestException",
}
"""Sandboxes made here have no program of their own, and this one has no error to recover from. A snapshot that
was deactivated just now has to rest."""


METHODS = {VERSION: 130, "0.207.1": 130, "0.190.1": 100}
"""At least how many there are in each version."""


CLIENTS = [(VERSION, "sync"), (VERSION, "async"), ("0.190.1", "async")]
if OLDER_CLIENTS == "all":
    CLIENTS += [("0.190.1", "sync"), ("0.207.1", "sync"), ("0.207.1", "async")]


@pytest.fixture(
    scope="module",
    params=CLIENTS,
    ids="-".join,
)
def called(
    request: pytest.FixtureRequest, platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What became of the calls on one face."""
    version, face = request.param
    endpoint = platform.endpoint
    variables = {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    directory = tmp_path_factory.mktemp("official")
    found: dict[str, Any] = run_official(
        "every_method.py", [face], variables=variables, directory=directory, version=version
    )
    assert len(found["methods"]) >= METHODS[version]
    return found


def test_every_public_method_is_called(called: dict[str, Any]) -> None:
    assert sorted(set(called["methods"]) - set(called["outcomes"])) == []


def test_every_method_works_or_is_refused_for_a_known_reason(called: dict[str, Any]) -> None:
    errors = {name: error for name, error in called["outcomes"].items() if error is not None}
    assert set(errors) == set(REFUSED), errors
    assert [name for name, error in errors.items() if not error.startswith(REFUSED[name])] == []
