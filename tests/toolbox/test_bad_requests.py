"""Every operation with every kind of nonsense: a typed refusal each time, no hanging, and nothing left behind."""

from __future__ import annotations

import itertools
import json
import socket
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.toolbox.raw import ENVELOPE, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox


class Operation(NamedTuple):
    """What could be asked rightly: a path with parameters, a query, a body."""

    method: str
    path: str
    query: dict[str, str] = {}
    body: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def target(self, segment: str = "none", **query: str) -> str:
        """Return what to ask for, with *query* as it is in place of the right parameters."""
        right = {name: quote(value) for name, value in self.query.items()}
        pairs = "&".join(f"{name}={value}" for name, value in {**right, **query}.items())
        return f"{self.path.format(segment, segment) if '{' in self.path else self.path}?{pairs}"


LSP = {"languageId": "cobol", "pathToProject": "none"}
GIT = {"path": "none"}
OPERATIONS = [
    Operation("POST", "/init", body={"token": "x"}),
    Operation("POST", "/env", body={"set": {}, "unset": [], "unsetValuePrefix": ""}),
    Operation("GET", "/files", {"path": "none", "depth": "1"}),
    Operation("DELETE", "/files", {"path": "none", "recursive": "false"}),
    Operation("GET", "/files/info", {"path": "none"}),
    Operation("GET", "/files/search", {"path": "none", "pattern": "x"}),
    Operation("GET", "/files/find", {"path": "none", "pattern": "x"}),
    Operation("POST", "/files/folder", {"path": "made", "mode": "755"}),
    Operation("POST", "/files/move", {"source": "none", "destination": "none"}),
    Operation("POST", "/files/permissions", {"path": ".", "mode": "755", "owner": "none", "group": "none"}),
    Operation("POST", "/files/replace", body={"files": ["none"], "pattern": "x", "newValue": "y"}),
    Operation("GET", "/files/download", {"path": "none"}),
    Operation("POST", "/files/bulk-download", body={"paths": ["none"]}),
    Operation("POST", "/process/execute", body={"command": "true", "cwd": "", "timeout": 9, "envs": {}}),
    Operation(
        "POST",
        "/process/code-run",
        body={"code": "", "language": "cobol", "argv": [], "envs": {}, "timeout": 9},
    ),
    Operation("POST", "/process/session", body={"sessionId": ""}),
    Operation("GET", "/process/session/{}"),
    Operation("DELETE", "/process/session/{}"),
    Operation("POST", "/process/session/{}/exec", body={"command": "true", "runAsync": True, "async": True}),
    Operation("GET", "/process/session/{}/command/{}"),
    Operation("GET", "/process/session/{}/command/{}/logs", {"follow": "false"}),
    Operation("POST", "/process/session/{}/command/{}/input", body={"data": "x"}),
    Operation(
        "POST",
        "/process/pty",
        body={"id": "", "cwd": "/", "envs": {}, "cols": 1, "rows": 1, "lazyStart": True},
    ),
    Operation("GET", "/process/pty/{}"),
    Operation("DELETE", "/process/pty/{}"),
    Operation("POST", "/process/pty/{}/resize", body={"cols": 1, "rows": 1}),
    Operation("POST", "/process/interpreter/context", body={"cwd": "/", "language": "cobol"}),
    Operation("DELETE", "/process/interpreter/context/{}"),
    Operation("GET", "/port/{}/in-use"),
    Operation("GET", "/git/status", GIT),
    Operation("GET", "/git/branches", GIT),
    Operation("GET", "/git/history", GIT),
    Operation("GET", "/git/remotes", GIT),
    Operation("GET", "/git/config", {"key": "a.b", "path": "none", "scope": "local"}),
    Operation("POST", "/git/clone", body={**GIT, "url": "none", "branch": "x", "commit_id": "x", "depth": 1}),
    Operation("POST", "/git/init", body={**GIT, "path": "none\0", "bare": True, "initial_branch": "x"}),
    Operation("POST", "/git/add", body={**GIT, "files": ["x"]}),
    Operation(
        "POST", "/git/commit", body={**GIT, "message": "x", "author": "x", "email": "x", "allow_empty": True}
    ),
    Operation("POST", "/git/branches", body={**GIT, "name": "x"}),
    Operation("DELETE", "/git/branches", body={**GIT, "name": "x"}),
    Operation("POST", "/git/checkout", body={**GIT, "branch": "x"}),
    Operation("POST", "/git/reset", body={**GIT, "mode": "soft", "target": "x", "files": []}),
    Operation(
        "POST", "/git/restore", body={**GIT, "files": ["x"], "staged": True, "worktree": True, "source": "x"}
    ),
    Operation(
        "POST", "/git/pull", body={**GIT, "username": "x", "password": "x", "remote": "x", "branch": "x"}
    ),
    Operation("POST", "/git/push", body={**GIT, "username": "x", "password": "x", "set_upstream": True}),
    Operation(
        "POST", "/git/remotes", body={**GIT, "name": "x", "url": "none", "fetch": False, "overwrite": False}
    ),
    Operation("POST", "/git/config", body={**GIT, "key": "a", "value": "x", "scope": "local"}),
    Operation("POST", "/git/config/user", body={**GIT, "name": "x", "email": "x", "scope": "local"}),
    Operation(
        "POST", "/git/credentials", body={"username": "x", "password": "", "host": "x", "protocol": "https"}
    ),
    Operation("POST", "/lsp/start", body=LSP),
    Operation("POST", "/lsp/stop", body=LSP),
    Operation("POST", "/lsp/did-open", body={**LSP, "uri": "x"}),
    Operation("POST", "/lsp/did-close", body={**LSP, "uri": "x"}),
    Operation("POST", "/lsp/completions", body={**LSP, "uri": "x", "position": {"line": 1, "character": 1}}),
    Operation("GET", "/lsp/document-symbols", {**LSP, "uri": "x"}),
    Operation("GET", "/lsp/workspacesymbols", {**LSP, "query": "x"}),
]

SEGMENTS = ["%00", "%FF", "%2F", "..", "a%0Ab", "x" * 3000, "9" * 5000, "%F0%9F%98%80", "-1", "%20"]
PARAMETERS = ["", "%00", "%FF", "x" * 5000, "9" * 5000, "-1", "1e400", "%ED%A0%80", "%0A", "--help", "nan"]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"NaN",
    b"9" * 6000,
    b'{"a": NaN}',
    b"\xef\xbb\xbf{}",
]
VALUES: list[Any] = [
    None, True, -1, 1.5, 10**40, 10**400, "", " ", "\0", "a\0b", "x" * 5000, "é☃😀", "\ud800", "\udce9", "a\nb", "--", [],
    {}, [None], ["\0"], [1], {"a": None}, {"": ""}, {"A=B": "1"}, {"A": "\0"}, {"A": 1},
]  # fmt: skip
# A size that is none is refused like any other, and what the machine has no more room for is not the client's fault.
FAILURES_OF_PROGRAMS = {"POST /process/pty": 500, "POST /process/interpreter/context": 500}


def nonsense(operation: Operation) -> Iterator[tuple[str, bytes | None]]:
    """Yield targets and bodies that are wrong in one place each, or at least odd."""
    right = json.dumps(operation.body).encode() if operation.body is not None else None
    for segment in SEGMENTS if "{}" in operation.path else []:
        yield operation.target(segment), right
    for name, value in itertools.product(operation.query, PARAMETERS):
        yield operation.target(**{name: value}), right
    for body in BODIES if operation.body is not None else []:
        yield operation.target(), body
    for name, value in itertools.product(operation.body or {}, VALUES):
        yield operation.target(), json.dumps({**(operation.body or {}), name: value}).encode()


@pytest.mark.ours("never fail with 500 at nonsense")
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_nonsense_is_refused_in_so_many_words(toolbox: Toolbox, operation: Operation) -> None:
    for target, body in nonsense(operation):
        answer = toolbox.request(operation.method, target, body)
        assert is_typed(operation, answer), (target[:200], (body or b"")[:200], answer)
        clean_up(toolbox, answer, operation)
    assert toolbox.run("echo fine") == "fine\n"


def is_typed(operation: Operation, answer: Answer) -> bool:
    """Return whether it worked all the same, or there is an error that a client can act upon."""
    if answer.status < 400 or answer.body == b"404 page not found":
        return True
    if answer.status == FAILURES_OF_PROGRAMS.get(str(operation)):
        return refuses(answer, answer.status) and b"internal server error" not in answer.body
    return answer.status < 500 and refuses(answer, answer.status) and bool(answer.json["message"])


def clean_up(toolbox: Toolbox, answer: Answer, operation: Operation) -> None:
    """End what has come of it: much nonsense is a good name."""
    if answer.status == 201 and operation.path == "/process/pty":
        assert toolbox.delete(f"/process/pty/{quote(answer.json['sessionId'], safe='')}").status == 200
    if answer.status == 201 and operation.path == "/process/session":
        for session in toolbox.get("/process/session").json:
            assert toolbox.delete(f"/process/session/{quote(session['sessionId'], safe='')}").status == 204
    if answer.status == 200 and operation.path == "/process/interpreter/context":
        assert toolbox.delete(f"{operation.path}/{answer.json['id']}").status == 200


@pytest.mark.ours("never fail with 500 at nonsense")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Daytona-SDK-Version": "1." + "9" * 5000},
        {"X-Daytona-SDK-Version": "é"},
        {"Range": "bytes=" + "9" * 5000 + "-"},
        {"Range": "bytes=-" + "9" * 5000},
        {"Range": "bytes=-"},
        {"If-Modified-Since": "Sat, 99 Foo 9999999"},
        {"If-Modified-Since": "x" * 5000},
        {"If-Range": "\xff"},
        {"Upgrade": "websocket"},
        {"Upgrade": "websocket", "Sec-WebSocket-Key": "\xff"},
    ],
)
def test_nonsense_in_headers_hurts_nobody(toolbox: Toolbox, folder: str, headers: dict[str, str]) -> None:
    toolbox.write(f"{folder}/f", b"0123456789")
    assert toolbox.request("GET", f"/files/download?path={folder}/f", headers=headers).status in (
        200,
        206,
        416,
    )
    for path in ("/process/session", "/process/session/none/command/none/logs?follow=true"):
        assert toolbox.request("GET", path, headers=headers).status in (200, 404)


@pytest.mark.ours("refuse what HTTP does not know, in its own form")
@pytest.mark.parametrize(
    "sent",
    [
        b"\0\1\2\3\r\n\r\n",
        b"GET /version\r\n\r\n",
        b"GET /version HTTP/1.1\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 100_000,
        b"POST /process/execute HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /process/execute HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /process/execute HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_http_is_a_bad_request(toolbox: Toolbox, sent: bytes) -> None:
    status, error = said_to(toolbox, sent)
    assert status in (400, 431)
    assert error.keys() >= ENVELOPE - {"method"}  # a proxy in between has not read so far


@pytest.mark.ours("refuse what HTTP does not know, in its own form")
def test_a_body_that_is_no_http_is_a_bad_request(toolbox: Toolbox) -> None:
    head = toolbox.head("POST", "/process/execute", Transfer_Encoding="chunked")
    status, error = said_to(toolbox, head + b"zz\r\n")
    assert (status, error["code"]) == (400, "BAD_REQUEST")


def said_to(toolbox: Toolbox, sent: bytes) -> tuple[int, dict[str, Any]]:
    """Return status and error of the answer, after which the connection is closed."""
    with toolbox.connect() as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.ours("keep bodies that break off from doing anything")
def test_a_body_that_breaks_off_runs_nothing(toolbox: Toolbox, folder: str) -> None:
    body = json.dumps({"command": f"touch {folder}/ran"}).encode()
    head = toolbox.head("POST", "/process/execute", Content_Length=str(len(body) + 1))
    with toolbox.connect() as connection:
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in connection.recv(65536)
    assert toolbox.get("/files", path=folder).json == []
