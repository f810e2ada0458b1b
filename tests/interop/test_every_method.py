"""Every public method of the official clients' services inside a sandbox, on both of their faces."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.git_server import PASSWORD, USER, serving
from tests.interop.peer import run_official

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

EXPECTED: dict[str, Any] = {
    "left out": [],
    "files": {
        "list": [["a.txt", False, 8], ["b.txt", False, 1], ["s.bin", False, 6]],
        "depth": 5,
        "find": [[2, "two"]],
        "search": ["d/a.txt", "d/b.txt", "d/e/c.txt"],
        "replace": [True],
        "info": "0600",
        "download": "one\n2\n",
        "many": ["b", "FILE_NOT_FOUND"],
        "stream": "stream",
    },
    "git": {
        "config": "c",
        "restored": ["Untracked"],
        "commit": 40,
        "behind": 1,
        "branches": ["main"],
        "remotes": ["up"],
        "remote": True,
    },
    "process": {
        "exec": "b\n/tmp\n",
        "code": "['x']\n",
        "command": [4, "o\n", "e\n"],
        "logs": "word\ngot word\n",
        "asked": "word\ngot word\n",
        "exit code": 0,
        "session": [4, 0],
        "sessions": ["s"],
        "entrypoint": ["err", "out"],
        "entrypoint asked": "err\n",
        "entrypoint session": [["entrypoint_command", 2]],
    },
    "terminals": {
        "there": ["t", True],
        "sizes": [[7, 8], [5, 6]],
        "list": ["t"],
        "info": "/tmp",
        "ended": [3, 3, "non-zero exit"],
        "killed": 137,
        "left": [],
    },
    "interpreter": {"run": "/tmp\n", "listed": True, "left": 0},
}


@pytest.fixture(scope="module")
def seen(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both official clients saw."""
    if shutil.which("git") is None:
        pytest.skip("this machine has no git to serve repositories with")
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    with serving(tmp_path_factory.mktemp("git")) as server:
        url = server.make("private/every.git", files={"a.txt": "one\n"})
        directory = tmp_path_factory.mktemp("official")
        return dict(
            run_official("every_method.py", [url, USER, PASSWORD], variables=variables, directory=directory)
        )


@pytest.mark.parametrize("face", ["blocking", "asynchronous"])
@pytest.mark.parametrize("area", EXPECTED)
def test_the_official_client_sees(seen: dict[str, Any], face: str, area: str) -> None:
    assert seen[face][area] == EXPECTED[area]
