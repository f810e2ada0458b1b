"""The generated client beside the official one reads keys, the organization, what is in use, and who the user is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.peer import run_official

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform


def test_the_generated_client_understands_all_that_is_said_of_the_organization(
    platform: Platform, tmp_path: Path
) -> None:
    endpoint = platform.endpoint
    variables = {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    assert run_official("management_session.py", variables=variables, directory=tmp_path) == {
        "keys": ["local", "interop"],
        "current": ["write:sandboxes"],
        "refused": 403,
        "organization": True,
        "usage": ["container"],
        "classes": ["local"],
        "gpus": [],
        "members": ["owner"],
        "roles": [],
        "invitations": [],
        "regions": ["local"],
        "user": "local",
        "runners": [],
        "whose": True,
        "quota": "local",
        "jobs": 403,
        "revoked": 401,
    }
