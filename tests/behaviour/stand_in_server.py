"""A language server that says what it is told to."""

from __future__ import annotations

from typing import Any

SERVER = """\
#!/usr/bin/env python3
import json, sys
answers = json.loads(%r)
while head := sys.stdin.buffer.readline():
    length = int(head.split(b":")[1]) + len(sys.stdin.buffer.readline()) - 2
    message = json.loads(sys.stdin.buffer.read(length))
    if message["method"] == "exit":
        break
    if "id" in message:
        waiting = answers.get(message["method"])
        body = json.dumps({"id": message["id"], **(waiting.pop(0) if waiting else {"result": None})}).encode()
        sys.stdout.buffer.write(b"Content-Length: %%d\\r\\n\\r\\n" %% len(body) + body)
        sys.stdout.buffer.flush()
"""
"""A server whose answers are given."""


def span(first: int, last: int) -> dict[str, Any]:
    return {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}
