"""What every platform of this protocol must do, told in plain HTTP: `CONFORMANCE_URL` and `CONFORMANCE_KEY` name another one.

Without them it is the embedded platform that the other tests share. Tests of what only ours promises ask for `embedded`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL, KEY = os.environ.get("CONFORMANCE_URL"), os.environ.get("CONFORMANCE_KEY", "")


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """The platform that is looked at; what a module makes goes when the module is over."""
    if URL:
        found = Api(URL, KEY, embedded=False)
    else:
        endpoint = request.getfixturevalue("platform").endpoint
        found = Api(endpoint.api_url, endpoint.api_key, embedded=True)
    yield found
    found.clean_up()


@pytest.fixture(scope="module")
def box(api: Api) -> Any:
    """A sandbox that runs, and that no test of the module stops."""
    return api.create(labels={"purpose": "conformance"})


@pytest.fixture(scope="module")
def stopped(api: Api) -> Any:
    """A sandbox that is stopped, and that no test of the module starts."""
    made = api.create()
    assert api.status("POST", f"/sandbox/{made['id']}/stop") == 200
    return api.until(made["id"], "stopped")


@pytest.fixture
def embedded(api: Api) -> None:
    """Skip a test of what only the embedded platform promises."""
    if not api.embedded:
        pytest.skip("only the embedded platform promises this")


@pytest.fixture
def execute(api: Api) -> Callable[..., str]:
    """A function that runs a command in a sandbox and returns what it printed."""

    def run(sandbox: Any, command: str) -> str:
        url = f"{sandbox['toolboxProxyUrl']}/{sandbox['id']}"
        answer = Api(url, api.key, embedded=api.embedded).call(
            "POST", "/process/execute", {"command": command}
        )
        return str(answer.json["result"])

    return run
