"""The official clients use git, streams of files, signed addresses and charts of the embedded platform."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.drawing import SITE, install_matplotlib
from tests.behaviour.git_server import PASSWORD, USER, serving
from tests.interop.peer import run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

EXPECTED = {
    "git": {
        "no credentials": ["DaytonaGitAuthFailedError", 401],
        "status": ["main", 0, 0, True],
        "files": [["new.txt", "Added", "Unmodified"]],
        "commit": 40,
        "unknown branch": ["DaytonaGitBranchNotFoundError", 404],
        "remote": "http://127.0.0.1:1/r.git",
        "config": "c",
        "no config": None,
    },
    "streams": {"same": True, "progress": 2_560_000},
    "addresses": True,
    "charts": {
        "result": "drawn\n",
        "classes": ["LineChart", "BarChart", "LineChart", "CompositeChart"],
        "pictures": True,
        "line": [[1, 3], [2, 4.5]],
        "bar": "3",
        "date": [[1767225600, 1]],
        "parts": ["scatter", "pie"],
    },
}


@pytest.fixture(scope="module")
def seen(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both official clients saw."""
    if shutil.which("git") is None:
        pytest.skip("this machine has no git to serve repositories with")
    sandbox = platform.create(autoStopInterval=0)["id"]
    install_matplotlib(platform, sandbox)
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    with serving(tmp_path_factory.mktemp("git")) as server:
        url = server.make("private/official.git", files={"a.txt": "one\n"})
        return dict(
            run_official(
                "git_streams_charts.py",
                [url, USER, PASSWORD, SITE, sandbox],
                variables=variables,
                directory=tmp_path_factory.mktemp("official"),
            )
        )


@pytest.mark.parametrize("face", ["blocking", "asynchronous"])
@pytest.mark.parametrize("area", EXPECTED)
def test_the_official_client_sees(seen: dict[str, Any], face: str, area: str) -> None:
    found = seen[face][area]
    if area == "git":
        assert found.pop("branches") == [
            "main",
            "official-blocking" if face == "blocking" else "official-async",
        ]
    assert found == EXPECTED[area]
