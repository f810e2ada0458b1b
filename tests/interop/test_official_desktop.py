"""The official clients use every method of a desktop and of a language server, and send local files of images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.desktop_programs import lacking
from tests.interop.peer import run_official
from tests.interop.test_surface import DESKTOP

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

FACES = pytest.mark.parametrize("face", ["blocking", "asynchronous"])
PROGRAM = Path(__file__).parents[1] / "behaviour" / "window.py"
PNG, JPEG = "89504e47", "ffd8ffe0"
SEEN = {
    "status": "active",
    "running": True,
    "logs": "xvfb",
    "errors": "xvfb",
    "window": ["A window of tests"],
    "display": [[1024, 768]],
    "said": [
        "said Grüße",
        *("key ctrl shift f5", "key alt f5"),
        *("press 3 1 2 ctrl", "release 3 1 2 ctrl"),
        *("press 1 3 4", "release 1 50 60"),
        "scroll down",
        *("press 2 7 8", "release 2 7 8"),
        *("said by name", "clicked"),
    ],
    "pictures": [PNG, PNG, JPEG, PNG],
    "film": ["completed", "completed"],
    "films": [True],
    "size": True,
    "stopped": "inactive",
}


@pytest.fixture(scope="module")
def session(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both official clients saw, and which methods they called."""
    program = "" if lacking() else str(PROGRAM)
    variables = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    answer: dict[str, Any] = run_official(
        "desktop_session.py", [program], variables=variables, directory=tmp_path_factory.mktemp("official")
    )
    return answer


@pytest.mark.skipif(bool(lacking()), reason=f"needs the Debian packages {' '.join(lacking())}")
@FACES
def test_a_desktop_does_what_the_official_clients_ask(session: dict[str, Any], face: str) -> None:
    assert session["seen"][face]["desktop"] == SEEN
    assert session["seen"][face]["not running"] == ["DaytonaBadRequestError", 400]


@FACES
def test_a_language_server_answers_the_official_clients(session: dict[str, Any], face: str) -> None:
    answers = {"symbols": ["Foo", "bar"], "first": "bar", "everywhere": ["Foo"]}
    assert session["seen"][face]["lsp"] == answers


@FACES
def test_an_image_has_the_files_that_the_official_clients_sent(session: dict[str, Any], face: str) -> None:
    digest = hashlib.sha256(bytes(range(256)) * 40_000).hexdigest()
    assert session["seen"][face]["files"] == f"from {face}\n{digest}  -\n"


@pytest.mark.skipif(bool(lacking()), reason=f"needs the Debian packages {' '.join(lacking())}")
def test_no_method_of_the_official_classes_was_left_out(
    session: dict[str, Any], theirs: dict[str, Any]
) -> None:
    classes = (*DESKTOP, "LspServer")
    there = {f"{name}.{method}" for name in classes for method in theirs["classes"][name]}
    assert there - set(session["called"]) == set()
