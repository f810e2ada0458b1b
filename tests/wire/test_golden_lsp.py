"""Language server exchanges recorded from a real daemon of v0.190, replayed to the calls that cause them."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from daytona import AsyncDaytona, Daytona, DaytonaBadRequestError, DaytonaConfig, LspCompletionPosition
from tests.recordings import exchanges
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EXCHANGES = exchanges("lsp")


def path_of(sent: dict[str, Any]) -> str:
    return str(sent["uri"].removeprefix("file://"))


CALLS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "POST /lsp/start": lambda lsp, sent: lsp.start(),
    "POST /lsp/stop": lambda lsp, sent: lsp.stop(),
    "POST /lsp/did-open": lambda lsp, sent: lsp.did_open(path_of(sent)),
    "POST /lsp/completions": lambda lsp, sent: lsp.completions(
        path_of(sent), LspCompletionPosition(**sent["position"])
    ),
    "GET /lsp/document-symbols": lambda lsp, sent: lsp.document_symbols(path_of(sent)),
    "GET /lsp/workspacesymbols": lambda lsp, sent: lsp.sandbox_symbols(sent["query"]),
}


async def with_lsp(
    face: str, reply: Reply, sent: dict[str, Any], act: Callable[[Any], Awaitable[Any]]
) -> tuple[Any, Recorded, list[str]]:
    """Return what *act* returns when the toolbox gives *reply*, the last request, and what was asked in all."""

    def answer(request: Recorded) -> Reply:
        found = {"id": "sb-1", "state": "started", "toolboxProxyUrl": f"{server.url}/toolbox"}
        return reply if "/toolbox/" in request.path else as_json(found)

    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")
        client: Any = Daytona(config) if face == "blocking" else AsyncDaytona(config)
        try:
            sandbox = await now(client.get("sb-1"))
            lsp = sandbox.create_lsp_server(sent["languageId"], sent["pathToProject"])
            result = await act(lsp)
        finally:
            await now(client.close())
        asked = [request.path.rpartition("/")[2] for request in server.requests if "/lsp/" in request.path]
        return result, server.requests[-1], asked


async def now(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["name"])
async def test_recorded_answers_are_understood(face: str, exchange: dict[str, Any]) -> None:
    request, response = exchange["request"], exchange["response"]
    place = urlsplit(request["target"])
    sent = json.loads(request["body_text"]) if "body_text" in request else dict(parse_qsl(place.query))
    call = CALLS[f"{request['method']} {place.path}"]
    body = response.get("body_text", "")

    async def act(lsp: Any) -> Any:
        if response["status"] < 400:
            return await now(call(lsp, sent))
        with pytest.raises(DaytonaBadRequestError, match="400") as caught:
            await now(call(lsp, sent))
        return caught.value

    result, made, _ = await with_lsp(
        face, (response["status"], {"Content-Type": "application/json"}, body.encode()), sent, act
    )
    assert made.path == f"/toolbox/sb-1{place.path}"
    assert (made.json if made.body else dict(parse_qsl(urlsplit(made.target).query))) == sent
    if response["status"] == 400:
        assert result.sandbox_id == "sb-1"
    elif isinstance(result, list):
        assert [symbol.to_dict() for symbol in result] == json.loads(body)
    elif body:
        assert result.to_dict() == json.loads(body)
    else:
        assert result is None


SERVER = {"languageId": "python", "pathToProject": "/p"}


async def test_nothing_found_is_an_empty_list(face: str) -> None:
    found, *_ = await with_lsp(face, as_json(None), SERVER, lambda lsp: now(lsp.document_symbols("a.py")))
    assert found == []
    found, *_ = await with_lsp(face, as_json(None), SERVER, lambda lsp: now(lsp.sandbox_symbols("x")))
    assert found == []
    nothing = as_json({"isIncomplete": False, "items": None})
    place = LspCompletionPosition(0, 0)
    found, *_ = await with_lsp(face, nothing, SERVER, lambda lsp: now(lsp.completions("a.py", place)))
    assert found.items == []


async def test_documents_are_opened_once_after_a_start(face: str) -> None:
    async def act(lsp: Any) -> None:
        await now(lsp.start())
        await now(lsp.document_symbols("a.py"))
        await now(lsp.document_symbols("a.py"))
        await now(lsp.did_close("a.py"))
        await now(lsp.document_symbols("a.py"))

    _, _, paths = await with_lsp(face, as_json(None), SERVER, act)
    symbols = "document-symbols"
    assert paths == ["start", "did-open", symbols, symbols, "did-close", "did-open", symbols]


async def test_a_relative_path_lies_in_the_project(face: str) -> None:
    _, made, _ = await with_lsp(face, (200, {}, b""), SERVER, lambda lsp: now(lsp.did_open("src/a b.py")))
    assert made.json["uri"] == "file:///p/src/a b.py"
