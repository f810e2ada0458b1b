"""What both type checkers must report: each line that is marked, and no other. Never run."""

from __future__ import annotations

import asyncio

from daytona import (
    AsyncComputerUse,
    AsyncDaytona,
    AsyncSandbox,
    ComputerUse,
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaConfig,
    Resources,
    Sandbox,
)


async def forgotten_await(daytona: AsyncDaytona, sandbox: AsyncSandbox) -> None:
    print(daytona.create().id)  # mistake
    print(sandbox.process.exec("true").result)  # mistake
    asyncio.run(daytona.close)  # mistake
    for _ in daytona.list():  # mistake
        pass
    with sandbox:  # mistake
        pass


async def await_of_what_is_there_already(daytona: Daytona, sandbox: Sandbox) -> None:
    await sandbox.process.exec("true")  # mistake
    await sandbox.delete()  # mistake
    async for _ in daytona.list():  # mistake
        pass
    async with daytona:  # mistake
        pass


def wrong_face(daytona: Daytona, sandbox: AsyncSandbox) -> None:
    daytona.start(sandbox)  # mistake
    daytona.delete(sandbox, wait=True)  # mistake


async def wrong_face_async(daytona: AsyncDaytona, sandbox: Sandbox) -> None:
    await daytona.start(sandbox)  # mistake


def unknown_parameters(daytona: Daytona, sandbox: Sandbox) -> None:
    daytona.create(CreateSandboxFromSnapshotParams(names="x"))  # mistake
    daytona.create(timeouts=1)  # mistake
    sandbox.process.exec("true", shell=True)  # mistake
    sandbox.fs.download_file("a", "b", mode="w")  # mistake


def wrong_types(daytona: Daytona, sandbox: Sandbox) -> None:
    daytona.create("python")  # mistake
    daytona.create(None, 60)  # mistake
    DaytonaConfig(api_key=1)  # mistake
    Daytona("key")  # mistake
    Resources(cpu="2")  # mistake
    sandbox.process.exec(["echo", "hello"])  # mistake
    sandbox.process.exec("true", timeout="5")  # mistake
    sandbox.process.exec("true", env={"A": 1})  # mistake
    sandbox.fs.upload_file(1, "a")  # mistake
    sandbox.resize(4)  # mistake
    sandbox.set_labels({"a": 1})  # mistake


def wrong_results(sandbox: Sandbox) -> None:
    text: str = sandbox.fs.download_file("a")  # mistake
    size: int = sandbox.fs.download_file("a", "local")  # mistake
    code: str = sandbox.process.exec("true").exit_code  # mistake
    print(sandbox.process.exec("true").output)  # mistake
    print(text, size, code)


def async_callback_on_the_blocking_face(daytona: Daytona) -> None:
    async def on_logs(text: str) -> None:
        print(text)

    daytona.create(on_snapshot_create_logs=on_logs)  # mistake


def members_of_the_other_kind(sandbox: Sandbox) -> None:
    sandbox.no_such_operation()  # mistake


def services_of_the_other_kind(sandbox: Sandbox) -> None:
    sandbox.use(AsyncComputerUse)  # mistake


async def blocking_services(sandbox: AsyncSandbox) -> None:
    sandbox.use(ComputerUse)  # mistake


def what_only_strict_checkers_report(sandbox):  # mistake
    return None
