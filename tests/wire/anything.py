"""Answers that satisfy any call: one object that holds whatever is read, and lists where lists are read."""

from __future__ import annotations

from typing import Any

from tests.wire.stub_server import Recorded, Reply, as_json

ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/files"): [],
    ("GET", "/files/find"): [],
    ("POST", "/files/replace"): [],
    ("GET", "/process/session"): [],
    ("GET", "/lsp/document-symbols"): [],
    ("GET", "/lsp/workspacesymbols"): [],
}
"""Answers that are lists."""

ANYTHING = {
    "id": "sb-1",
    "name": "n",
    "state": "started",
    "labels": {"k": "v"},
    "sandboxId": "sb-1",
    "port": 3000,
    "url": "http://127.0.0.1:9/",
    "token": "t",
    "sshCommand": "ssh t@127.0.0.1",
    "expiresAt": "2026-01-02T03:04:05.000Z",
    "createdAt": "2026-01-02T03:04:05.000Z",
    "updatedAt": "2026-01-02T03:04:05.000Z",
    "valid": True,
    "dir": "/home/daytona",
    "exitCode": 0,
    "result": "",
    "files": [],
    "sessionId": "s",
    "cmdId": "c",
    "hash": "0123abc",
    "command": "x",
    "output": "",
}
"""One object that holds whatever any of the calls reads."""


def answer_anything(request: Recorded) -> Reply:
    """Return an answer that the caller can read."""
    if request.path.endswith("/bulk-download"):
        return 200, {"Content-Type": "multipart/form-data; boundary=B"}, b"--B--\r\n"
    toolbox_path = request.path.removeprefix("/toolbox/sb-1")
    if (request.method, toolbox_path) in ANSWERS:
        return as_json(ANSWERS[request.method, toolbox_path])
    thing = {**ANYTHING, "toolboxProxyUrl": f"http://{request.headers['Host']}/toolbox"}
    if (request.method, request.path) == ("GET", "/api/sandbox"):
        return as_json({"items": [thing], "nextCursor": None})
    return as_json(thing)
