"""What users of the official clients do with terminals and the interpreter, against the platform that the environment names.

Prints one line of JSON: what each step saw.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from daytona import AsyncDaytona, Daytona, DaytonaError
from daytona.common.pty import PtySize

SLEEP = "import time\ntime.sleep(30)"


def failure(call: Any) -> list[str]:
    """Return what kind of error *call* raises, and its message."""
    try:
        call()
    except DaytonaError as error:
        return [type(error).__name__, str(error)]
    return []


def terminals(process: Any, seen: dict[str, Any]) -> None:
    """Use terminals from blocking code."""
    pty = process.create_pty_session("one", "/tmp", {"CITY": "Oslo é"}, PtySize(rows=10, cols=30))
    pty.send_input('stty size; echo "$CITY:$PWD"; exit 7\n')
    output = b"".join(pty).decode()
    seen["terminal"] = ["10 30" in output, "Oslo é:/tmp" in output, pty.exit_code, pty.error]
    pty = process.create_pty_session("two")
    resized = pty.resize(PtySize(rows=5, cols=6))
    seen["size"] = [resized.rows, resized.cols]
    pty.disconnect()
    pty = process.connect_pty_session("two")
    pty.send_input("exit 3\n")
    seen["connected again"] = pty.wait().exit_code
    pty = process.create_pty_session("three")
    seen["listed"] = [one.id for one in process.list_pty_sessions()]
    pty.kill()
    seen["killed"] = pty.wait().exit_code
    seen["gone"] = failure(lambda: process.get_pty_session_info("three"))[0]


def interpreter(python: Any, seen: dict[str, Any]) -> None:
    """Run code from blocking code."""
    pieces: list[str] = []
    result = python.run_code("x = 1\nprint('hi')\nx", on_stdout=lambda message: pieces.append(message.output))
    seen["run"] = [result.stdout, result.error is None, pieces]
    context = python.create_context("/tmp")
    result = python.run_code(
        "import os\nprint(os.getcwd(), os.environ['A'])\n1/0", context=context, envs={"A": "b"}
    )
    seen["context"] = [result.stdout, result.error.name, result.error.value]
    seen["timeout"] = failure(lambda: python.run_code(SLEEP, timeout=1, context=context))[0]
    seen["kept"] = python.run_code("print(os.sep)", context=context).stdout
    seen["contexts"] = len(python.list_contexts())
    python.delete_context(context)
    seen["deleted"] = failure(lambda: python.run_code("1", context=context))[0]


async def alike(seen: dict[str, Any]) -> None:
    """Do the same with the asynchronous client."""
    async with AsyncDaytona() as daytona:
        sandbox = await daytona.create()
        pieces: list[bytes] = []

        async def on_data(data: bytes) -> None:
            pieces.append(data)

        pty = await sandbox.process.create_pty_session("one", on_data)
        await pty.send_input("echo wo''rd; exit 9\n")
        result = await pty.wait()
        seen["async terminal"] = [result.exit_code, result.error, b"word" in b"".join(pieces)]
        pty = await sandbox.process.create_pty_session("two", on_data)
        await pty.kill()
        seen["async killed"] = (await pty.wait()).exit_code
        answer = await sandbox.code_interpreter.run_code("import sys\nprint(1)\nprint(2, file=sys.stderr)")
        seen["async run"] = [answer.stdout, answer.stderr]
        await sandbox.delete()


everything: dict[str, Any] = {}
box = Daytona().create()
terminals(box.process, everything)
interpreter(box.code_interpreter, everything)
box.delete()
asyncio.run(alike(everything))
print(json.dumps(everything))
