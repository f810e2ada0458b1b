"""The official client pauses and links sandboxes, and reads what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.peer import run_official

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform


def test_the_official_client_pauses_links_and_measures(platform: Platform, tmp_path: Path) -> None:
    endpoint = platform.endpoint
    variables = {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    assert run_official("life_session.py", variables=variables, directory=tmp_path) == {
        "intervals": [30, 0],
        "collector": "http://127.0.0.1:9",
        "paused": ["paused", "paused"],
        "started": ["started", True],
        "linked": True,
        "named": [0, 0],
        "used": [True, True],
        "told elsewhere": [],
    }
