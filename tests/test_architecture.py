"""What the package promises about itself: who imports whom, and what a program pays for."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.transport.scripted_server import Peer, ScriptedServer, answer
from tests.wire.every_method import ARGUMENTS, methods

PACKAGE = Path(__file__).parents[1] / "daytona"

MODULES = """
import json, sys
print(json.dumps(sorted(name for name in sys.modules)))
"""

BLOCKING_CALL = """
from daytona import Daytona, DaytonaConfig, DaytonaNotFoundError
import threading
with Daytona(DaytonaConfig(api_key="k", api_url={url!r})) as daytona:
    try:
        daytona.get("nobody")
    except DaytonaNotFoundError:
        pass
    assert threading.enumerate() == [threading.main_thread()]
"""

ASYNC_CALL = """
import asyncio
from daytona import AsyncDaytona, DaytonaConfig, DaytonaNotFoundError

async def main():
    async with AsyncDaytona(DaytonaConfig(api_key="k", api_url={url!r})) as daytona:
        try:
            await daytona.get("nobody")
        except DaytonaNotFoundError:
            pass

asyncio.run(main())
"""


def loaded_by(program: str) -> set[str]:
    """Return the modules, and their packages, that a fresh interpreter has loaded after *program*."""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + MODULES],
        check=True,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        timeout=60,
    )
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.fixture
def url():  # type: ignore[no-untyped-def]  # a generator of one address
    refusal = answer(b'{"message":"none"}', b"Content-Type: application/json", status=b"404 Not Found")
    with ScriptedServer(partial(Peer.serve, response=refusal)) as server:
        yield server.api.base_url


def test_importing_the_package_loads_next_to_nothing() -> None:
    loaded = loaded_by("import daytona\n") - loaded_by("")
    assert not loaded & {"msgspec", "asyncio", "trio", "anyio", "ssl", "typing", "http", "logging", "urllib"}
    assert {name for name in loaded if name.startswith("daytona")} == {"daytona"}


def test_every_public_name_can_be_listed_without_loading_anything() -> None:
    loaded = loaded_by("import daytona\nassert len(dir(daytona)) > 90\n")
    assert not loaded & {"msgspec", "asyncio", "anyio"}


def test_a_blocking_program_loads_no_event_loop_and_starts_no_thread(url: str) -> None:
    loaded = loaded_by(BLOCKING_CALL.format(url=url))
    assert not loaded & {
        *("asyncio", "trio", "anyio", "sniffio", "httpcore", "h11", "wsproto", "ssl", "concurrent.futures"),
        *("opentelemetry", "daytona.telemetry", "daytona_plugins", "daytona.transport.websocket"),
    }


def test_a_client_loads_no_service_before_it_is_used() -> None:
    client = "from daytona import Daytona, DaytonaConfig\nDaytona(DaytonaConfig(api_key='k', api_url='http://x')).close()\n"
    loaded = loaded_by(client)
    services = ("code_interpreter", "filesystem", "git", "process", "pty", "snapshot", "volume")
    assert not loaded & {f"daytona.services.{name}" for name in services}
    assert not loaded & {
        "daytona.models.params",
        "dataclasses",
        "hashlib",
        "http",
        "logging",
        "random",
    }


def test_a_program_on_asyncio_loads_no_trio(url: str) -> None:
    loaded = loaded_by(ASYNC_CALL.format(url=url))
    assert "asyncio" in loaded
    assert not loaded & {"trio", "httpcore", "h11", "wsproto", "opentelemetry", "daytona_plugins"}


def test_the_layers_are_kept() -> None:
    command = (
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    )
    checked = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        check=False,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        timeout=120,
    )
    assert checked.returncode == 0, checked.stdout


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_why_it_exists(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_nothing_of_a_machine_is_in_the_package() -> None:
    words = ("/work/", "/tmp/dev", "/root/")
    assert [
        path.name for path in sources() if any(word in path.read_text(encoding="utf-8") for word in words)
    ] == []


def test_every_method_can_be_called_by_the_tests_that_call_every_method() -> None:
    found = methods()
    assert [str(method) for method in found if not method.is_known] == [], "see tests/wire/every_method.py"
    assert {*ARGUMENTS} - {str(method) for method in found} == set()
