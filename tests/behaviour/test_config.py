"""Where to connect and as whom: who decides, what is never read, and where a key never shows."""

from __future__ import annotations

import io
import itertools
import logging
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    AsyncDaytona,
    Daytona,
    DaytonaAuthenticationError,
    DaytonaConfig,
    DaytonaError,
    DaytonaValidationError,
)
from daytona.config import DEFAULT_API_URL, resolve
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

PROJECT = Path(__file__).parents[2]
KEY, JWT, ORGANIZATION = "dtn_secret_key_1234", "eyJ.secret.jwt", "org-1"
URL = "https://one.example/api"

# -- Precedence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environ", "file", "expected"),
    [
        ({"api_key": "a"}, {"DAYTONA_API_KEY": "e"}, "DAYTONA_API_KEY=f", "a"),
        ({}, {"DAYTONA_API_KEY": "e"}, "DAYTONA_API_KEY=f", "e"),
        ({}, {}, "# a comment\nexport DAYTONA_API_KEY='f'\n", "f"),
        ({}, {}, "DAYTONA_JWT_TOKEN=t\nDAYTONA_ORGANIZATION_ID=o", "t"),
        ({"jwt_token": "t", "organization_id": "o"}, {"DAYTONA_API_KEY": "e"}, "", "t"),
        ({"api_key": "a", "jwt_token": "t", "organization_id": "o"}, {}, "", "a"),
        ({}, {"DAYTONA_API_KEY": "e", "DAYTONA_JWT_TOKEN": "t"}, "", "e"),
    ],
)
def test_a_credential_comes_from_the_first_that_has_one(
    tmp_path: Path, arguments: dict[str, Any], environ: dict[str, str], file: str, expected: str
) -> None:
    env_file = tmp_path / "settings"
    env_file.write_text(file)
    config = DaytonaConfig(api_url=URL, env_file=env_file, **arguments)
    assert resolve(config, environ).token == expected


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        (
            {"api_key": "a", "api_url": "http://arg/api"},
            {"DAYTONA_API_URL": "http://env/api"},
            "http://arg/api",
        ),
        ({"api_key": "a"}, {"DAYTONA_API_URL": "http://env/api/"}, "http://env/api"),
        ({"api_key": "a"}, {}, DEFAULT_API_URL),
        ({}, {}, None),
        ({"api_key": "a", "api_url": "local:"}, {}, None),
        ({"api_key": "a"}, {"DAYTONA_API_URL": "local:"}, None),
    ],
)
def test_the_address_comes_from_the_argument_or_the_environment(
    arguments: dict[str, Any], environ: dict[str, str], expected: str | None
) -> None:
    assert resolve(DaytonaConfig(**arguments), environ).api_url == expected


def test_the_address_never_comes_from_a_file(tmp_path: Path) -> None:
    env_file = tmp_path / "settings"
    env_file.write_text(
        "DAYTONA_API_KEY=f\nDAYTONA_API_URL=https://evil.example/api\nDAYTONA_SERVER_URL=https://evil.example"
    )
    assert resolve(DaytonaConfig(env_file=env_file), {}).api_url == DEFAULT_API_URL


@pytest.mark.parametrize("given", list(itertools.product((True, False), repeat=3)))
def test_the_target_comes_from_the_first_that_names_one(
    tmp_path: Path, given: tuple[bool, bool, bool]
) -> None:
    (tmp_path / "settings").write_text("DAYTONA_TARGET=file\n" if given[2] else "")
    config = DaytonaConfig(
        api_key="a", target="argument" if given[0] else None, env_file=tmp_path / "settings"
    )
    names = ("argument", "environment", "file")
    expected = next((name for name, there in zip(names, given, strict=True) if there), None)
    assert resolve(config, {"DAYTONA_TARGET": "environment"} if given[1] else {}).target == expected


def test_an_address_without_a_credential_is_refused() -> None:
    with pytest.raises(DaytonaAuthenticationError, match="DAYTONA_API_KEY"):
        Daytona(DaytonaConfig(api_url=URL))
    with pytest.raises(DaytonaAuthenticationError, match="DAYTONA_ORGANIZATION_ID"):
        AsyncDaytona(DaytonaConfig(api_url=URL, jwt_token=JWT))


def test_a_named_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DaytonaValidationError, match="absent"):
        resolve(DaytonaConfig(env_file=tmp_path / "absent"), {})


def test_former_names_still_work_and_say_so() -> None:
    with pytest.warns(DeprecationWarning, match="server_url"):
        assert resolve(DaytonaConfig(api_key="a", server_url=URL), {}).api_url == URL
    with pytest.warns(DeprecationWarning, match="DAYTONA_SERVER_URL"):
        assert resolve(DaytonaConfig(api_key="a"), {"DAYTONA_SERVER_URL": URL}).api_url == URL
    with pytest.warns(UserWarning, match="nonsense"):
        DaytonaConfig(nonsense=1)


async def test_a_token_travels_with_its_organization(face: str) -> None:
    with StubServer(_sandbox) as server:
        config = DaytonaConfig(jwt_token=JWT, organization_id=ORGANIZATION, api_url=server.url)
        async with open_client(face, config) as daytona:
            await daytona.get("x")
        (request,) = server.requests
    assert request.headers["Authorization"] == f"Bearer {JWT}"
    assert request.headers["X-Daytona-Organization-ID"] == ORGANIZATION


async def test_a_key_travels_alone(face: str) -> None:
    with StubServer(_sandbox) as server:
        config = DaytonaConfig(api_key=KEY, jwt_token=JWT, organization_id=ORGANIZATION, api_url=server.url)
        async with open_client(face, config) as daytona:
            await daytona.get("x")
        (request,) = server.requests
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert "X-Daytona-Organization-ID" not in request.headers


def _sandbox(request: Recorded) -> Reply:
    return as_json({"id": "sb-1", "state": "started", "toolboxProxyUrl": "http://127.0.0.1:9/toolbox"})


# -- What is never read -------------------------------------------------------------------------------------------

WATCHED = """
import os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(os.fspath(args[0]))
                 if event in ("open", "os.scandir", "os.listdir") and isinstance(args[0], (str, bytes, os.PathLike)) else None)
sys.path.insert(0, {project!r})
from daytona import Daytona, DaytonaConfig
environ = dict(os.environ)
with Daytona() as daytona:
    sandbox = daytona.create()
    with sandbox:
        assert sandbox.process.exec("echo works").result == "works\\n"
assert dict(os.environ) == environ
here = os.getcwd()
found = [path for path in map(os.fsdecode, opened)
         if os.path.basename(path).startswith(".env") or os.path.dirname(os.path.abspath(path)) == here]
print(found)
"""


def test_the_working_directory_is_never_read(platform: Platform, tmp_path: Path) -> None:
    for name in (".env", ".env.local"):
        (tmp_path / name).write_text("DAYTONA_API_KEY=stolen\nDAYTONA_API_URL=http://127.0.0.1:9/evil\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED.format(project=str(PROJECT))],
        cwd=tmp_path,
        env={
            **platform.variables,
            "DAYTONA_API_KEY": platform.endpoint.api_key,
            "DAYTONA_API_URL": platform.endpoint.api_url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


# -- Where a key never shows --------------------------------------------------------------------------------------


def test_no_representation_shows_a_key() -> None:
    config = DaytonaConfig(api_key=KEY, jwt_token=JWT, organization_id=ORGANIZATION, api_url=URL)
    shown = [repr(config), str(config), repr(resolve(config, {}))]
    with Daytona(config) as client:
        shown += [repr(client), repr(vars(client))]
    assert not [text for text in shown if KEY in text or JWT in text]


async def test_no_error_and_no_log_shows_a_key(
    face: str, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with StubServer(lambda request: as_json({"message": "no"}, 403)) as server:
        configs = [
            DaytonaConfig(api_key=KEY, api_url=server.url),
            DaytonaConfig(api_key=KEY, api_url=platform.endpoint.api_url),
            DaytonaConfig(api_key=KEY, api_url="http://127.0.0.1:9/api"),
        ]
        for config in configs:
            async with open_client(face, config) as daytona:
                with pytest.raises(DaytonaError) as caught:
                    await daytona.get("x", request_timeout=1)
            text = io.StringIO()
            traceback.print_exception(caught.value, file=text)
            seen = [text.getvalue(), repr(caught.value), repr(vars(caught.value))]
            assert KEY not in "".join(seen)
            assert KEY.encode() not in pickle.dumps(caught.value)
    assert KEY not in caplog.text


async def test_a_key_does_not_follow_a_redirect(face: str) -> None:
    with StubServer(_sandbox) as elsewhere:
        moved = {"Location": f"{elsewhere.url}/sandbox/x"}
        with StubServer(lambda request: (302, moved, b"")) as server:
            async with open_client(face, DaytonaConfig(api_key=KEY, api_url=server.url)) as daytona:
                with pytest.raises(DaytonaError):
                    await daytona.get("x")
        assert elsewhere.requests == []
