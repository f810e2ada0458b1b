"""A sandbox of the OpenAI Agents SDK: commands, a terminal, files, a port, and its workspace saved and put back."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from agents.extensions.sandbox.daytona import (
    DEFAULT_DAYTONA_WORKSPACE_ROOT,
    DaytonaSandboxClient,
    DaytonaSandboxClientOptions,
)
from agents.sandbox.errors import ExecTimeoutError

ROOT = Path(DEFAULT_DAYTONA_WORKSPACE_ROOT)
SERVER = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=8765)"


def look(url: str) -> str | None:
    """Return what a program without credentials sees there."""
    try:
        with urlopen(url) as answer:
            return "the listing" if b'href="d/"' in answer.read() else "something else"
    except URLError:  # this machine resolves the name of the preview for browsers only
        return None


async def main() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    options = DaytonaSandboxClientOptions(env_vars={"UNITS": "km"}, exposed_ports=(8765,))
    async with DaytonaSandboxClient() as client:
        session = await client.create(options=options)
        await session.start()
        done = await session.exec("echo $UNITS; echo problem >&2; exit 3")
        seen["exec"] = [done.exit_code, done.stdout.decode(), done.stderr.decode()]
        try:
            await session.exec("sleep 60", timeout=1)
        except ExecTimeoutError as error:
            seen["time limit"] = type(error).__name__
        await session.write(ROOT / "d" / "a.txt", io.BytesIO(b"\x00one\n"))
        seen["read"] = (await session.read(ROOT / "d" / "a.txt")).read().hex()
        seen["ls"] = sorted(Path(entry.path).name for entry in await session.ls(ROOT / "d"))

        started = await session.pty_exec_start(
            "bash", "-c", "read word; echo got $word", tty=True, yield_time_s=1
        )
        terminal = started.process_id
        answered = await session.pty_write_stdin(session_id=terminal, chars="hello\n", yield_time_s=2)
        ended = await session.pty_write_stdin(session_id=terminal, chars="exit 5\n", yield_time_s=30)
        output = (started.output + answered.output + ended.output).decode()
        seen["terminal"] = [ended.exit_code, "got hello" in output]

        await session.exec(f'nohup python3 -c "{SERVER}" >/dev/null 2>&1 & sleep 1', timeout=20)
        place = await session.resolve_exposed_port(8765)
        seen["port"] = await asyncio.to_thread(look, place.url_for("http"))

        saved = await session.persist_workspace()
        await session.exec(f"rm -r {ROOT}/d")
        await session.hydrate_workspace(saved)
        seen["put back"] = (await session.exec(f"cat {ROOT}/d/a.txt", shell=True)).stdout.hex()

        again = await client.resume(session.state)
        seen["resumed"] = again.state.sandbox_id == session.state.sandbox_id
        seen["running"] = await session.running()
        await client.delete(session)
        seen["running after its end"] = await session.running()
    return seen


print(json.dumps(asyncio.run(main())))
