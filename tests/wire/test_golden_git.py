"""Git exchanges recorded from a real daemon of v0.190, replayed to the calls that cause them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from daytona import (
    DaytonaAuthenticationError,
    DaytonaConfig,
    DaytonaConflictError,
    DaytonaForbiddenError,
    DaytonaInternalServerError,
    DaytonaNotFoundError,
    DaytonaNotSupportedError,
)
from tests.conftest import open_client
from tests.recordings import exchanges
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EXCHANGES = exchanges("git")
METHODS = {
    "POST /git/clone": "clone",
    "POST /git/add": "add",
    "POST /git/commit": "commit",
    "POST /git/push": "push",
    "POST /git/pull": "pull",
    "GET /git/status": "status",
    "GET /git/branches": "branches",
    "GET /git/history": "history",
    "POST /git/branches": "create_branch",
    "DELETE /git/branches": "delete_branch",
    "POST /git/checkout": "checkout_branch",
}
ERRORS = {
    401: DaytonaAuthenticationError,
    403: DaytonaForbiddenError,
    404: DaytonaNotFoundError,
    409: DaytonaConflictError,
    500: DaytonaInternalServerError,
}
# Keys that every client since v0.205 sends, with the value that older servers imply.
ALWAYS_SENT = {"allow_empty": False, "set_upstream": False}


async def with_git(face: str, reply: Reply, act: Callable[[Any], Awaitable[Any]]) -> tuple[Any, Recorded]:
    """Return what *act* returns when the toolbox gives *reply*, or the error it raises; and the request."""

    def answer(request: Recorded) -> Reply:
        toolbox = f"{server.url}/toolbox"
        found = {"id": "sb-1", "name": "sb-1", "state": "started", "toolboxProxyUrl": toolbox}
        return reply if "/toolbox/" in request.path else as_json(found)

    with StubServer(answer) as server:
        async with open_client(face, DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")) as daytona:
            sandbox = await daytona.get("sb-1")
            result = await act(sandbox.git)
        return result, server.requests[-1]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["name"])
async def test_recorded_answers_are_understood(face: str, exchange: dict[str, Any]) -> None:
    request, response = exchange["request"], exchange["response"]
    place = urlsplit(request["target"])
    arguments = json.loads(request["body_text"]) if "body_text" in request else dict(parse_qsl(place.query))
    body = response.get("body_text", "")
    reply = (response["status"], {"Content-Type": "application/json"}, body.encode())
    name = METHODS[f"{request['method']} {place.path}"]

    async def act(git: Any) -> Any:
        call = getattr(git, name)
        if response["status"] < 400:
            return await call(**arguments)
        with pytest.raises(
            ERRORS[response["status"]], match=re.escape(json.loads(body)["message"])
        ) as caught:
            await call(**arguments)
        return caught.value

    result, sent = await with_git(face, reply, act)
    assert (sent.method, sent.target) == (request["method"], f"/toolbox/sb-1{request['target']}")
    if "body_text" in request:
        assert {**ALWAYS_SENT, **arguments} == {**ALWAYS_SENT, **sent.json}
    if response["status"] >= 400:
        assert (result.status_code, result.sandbox_id) == (response["status"], "sb-1")
    elif name == "commit":
        assert result.sha == json.loads(body)["hash"]
    elif body:
        assert json.loads(body).items() <= result.to_dict().items()
    else:
        assert result is None


async def test_no_branches_are_an_empty_list(face: str) -> None:
    result, _ = await with_git(face, as_json({"branches": None}), lambda git: git.branches("r"))
    assert result.branches == []


async def test_words_of_later_servers_are_kept(face: str) -> None:
    file = {"name": "a", "extra": "", "staging": "Intent to add", "worktree": ""}
    answer = as_json({"currentBranch": "main", "fileStatus": [file], "isShallow": True})
    result, _ = await with_git(face, answer, lambda git: git.status("r"))
    assert (result.file_status[0].staging, result.file_status[0].worktree) == ("Intent to add", "")


@pytest.mark.parametrize("name", ["fetch", "diff"])
async def test_a_server_without_our_own_calls_says_so(face: str, name: str) -> None:
    async def act(git: Any) -> None:
        with pytest.raises(DaytonaNotSupportedError, match=f"no git {name}"):
            await getattr(git, name)("r")

    await with_git(face, (404, {"Content-Type": "text/plain"}, b"404 page not found"), act)
