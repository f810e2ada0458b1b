"""What a user of the official asynchronous client does, against the platform that the environment names.

Prints one line of JSON: what each step saw.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromSnapshotParams,
    DaytonaError,
    FileUpload,
    ListSandboxesQuery,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

LOCAL = Path("local.txt")
BACK = Path("back.txt")


async def failure(call: Awaitable[Any]) -> dict[str, Any]:
    """Return what kind of error *call* raises."""
    try:
        await call
    except DaytonaError as error:
        return {"class": type(error).__name__, "status": error.status_code}
    return {"class": None}


async def use(daytona: AsyncDaytona, sandbox: AsyncSandbox) -> dict[str, Any]:
    """Return what the operations on one sandbox answer."""
    seen: dict[str, Any] = {}
    answers = await asyncio.gather(*(sandbox.process.exec(f"echo {number}") for number in range(8)))
    seen["exec"] = [int(answer.result) for answer in answers]
    seen["code_run"] = (await sandbox.process.code_run("print(6 * 7)")).result

    await sandbox.fs.upload_file(b"bytes" * 100_000, "big.bin")
    seen["download"] = len(await sandbox.fs.download_file("big.bin"))
    await sandbox.fs.upload_files([FileUpload(str(LOCAL), "d/1.txt"), FileUpload(b"two", "d/2.txt")])
    await sandbox.fs.download_file("d/1.txt", str(BACK))
    seen["files"] = sorted(one.name for one in await sandbox.fs.list_files("d"))
    seen["not there"] = await failure(sandbox.fs.get_file_info("d/3.txt"))

    seen["labels"] = await sandbox.set_labels({"team": "roads"})
    await sandbox.set_autostop_interval(5)
    await sandbox.refresh_data()
    seen["stop after"] = sandbox.auto_stop_interval
    await sandbox.stop()
    seen["stopped"] = sandbox.state
    await sandbox.start()
    seen["started"] = sandbox.state
    return seen


async def main() -> dict[str, Any]:
    """Make a sandbox, use it, delete it; return what was seen."""
    async with AsyncDaytona() as daytona:
        params = CreateSandboxFromSnapshotParams(name="interop-async", labels={"face": "async"})
        sandbox = await daytona.create(params)
        seen = await use(daytona, sandbox)
        seen["same name"] = await failure(daytona.create(params))
        seen["get"] = (await daytona.get("interop-async")).id == sandbox.id
        seen["list"] = [one.name async for one in daytona.list(ListSandboxesQuery(name="interop-async"))]
        await sandbox.delete()
        seen["deleted"] = await failure(daytona.get("interop-async"))
    return seen


LOCAL.write_text("from a file")
everything = asyncio.run(main())
print(json.dumps(everything | {"back": BACK.read_text()}, default=str))
