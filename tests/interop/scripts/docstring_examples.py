"""Runs the examples in the docstrings of the official package, by whichever `daytona` this interpreter has, and prints as
JSON what became of each: null, or the error that ended it.

Arguments: the directory of the official package, which of its faces (`_sync` or `_async`), and a regular expression for the
classes. All examples use one sandbox.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

daytona = importlib.import_module("daytona")

AWAITS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
ALSO = ("daytona.common.code_interpreter", "daytona.common.charts", "daytona.common.computer_use")
PREPARE = """
mkdir -p workspace/src workspace/data workspace/project && cd workspace && echo 'TODO: x' > src/main.py
git init -q -b main repo && cd repo && git config user.email a@b && git config user.name a
echo x > file.txt && mkdir src && echo y > src/main.py && git add . && git commit -qm first
"""


def examples(directory: Path) -> dict[str, str]:
    """Return the examples by class and method."""
    found: dict[str, str] = {}
    for file in sorted(directory.glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef):
                continue
            methods = [one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
            for owner in (node, *methods):
                name = node.name if owner is node else f"{node.name}.{owner.name}"
                blocks = re.findall(r"```python\n(.*?)```", ast.get_docstring(owner) or "", re.DOTALL)
                found |= {f"{name}[{index}]": textwrap.dedent(block) for index, block in enumerate(blocks)}
    return found


def names() -> dict[str, Any]:
    """Return what the examples take for granted."""
    known = {name: getattr(daytona, name) for name in daytona.__all__}
    for module in ALSO:
        known |= {
            name: value for name, value in vars(importlib.import_module(module)).items() if name[0] != "_"
        }
    return known | {"os": os, "recording_id": "nothing"}


async def settled(value: Any) -> Any:
    """Return *value*, awaited if it can be."""
    return await value if inspect.isawaitable(value) else value


async def outcome(source: str, known: dict[str, Any]) -> str | None:
    """Return the error that ends an example."""
    try:
        code = compile(source, "example", "exec", flags=AWAITS)
    except SyntaxError:
        return "SyntaxError"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            made = eval(code, known)
            await asyncio.wait_for(settled(made), 60)
    except Exception as error:
        status = getattr(error, "status_code", None)
        return f"{type(error).__name__} {status}" if status else type(error).__name__
    return None


async def _prepared(client: Any) -> Any:
    sandbox = await settled(client.create())
    await settled(sandbox.process.exec(PREPARE))
    return sandbox


async def main() -> None:
    """Run them all."""
    directory = Path(sys.argv[1]) / sys.argv[2]
    client = (daytona.Daytona if sys.argv[2] == "_sync" else daytona.AsyncDaytona)()
    sandbox = await _prepared(client)
    seen: dict[str, str | None] = {}
    chosen = {name: source for name, source in examples(directory).items() if re.match(sys.argv[3], name)}
    for name, source in chosen.items():
        await settled(sandbox.refresh_data())
        if sandbox.state != "started":
            sandbox = await _prepared(client)
        seen[name] = await outcome(source, names() | {"daytona": client, "sandbox": sandbox})
    print(json.dumps(seen))


warnings.simplefilter("ignore")
asyncio.run(main())
