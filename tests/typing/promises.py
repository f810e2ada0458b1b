"""What both type checkers must infer. Never run: `test_types.py` has mypy and pyright read it."""

from __future__ import annotations

from typing import assert_type

from daytona import (
    AsyncComputerUse,
    AsyncDaytona,
    AsyncLspServer,
    AsyncSandbox,
    ComputerUse,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaConfig,
    DaytonaError,
    ExecuteResponse,
    FileDownloadRequest,
    FileDownloadResponse,
    FileInfo,
    Image,
    ListSandboxesQuery,
    LspServer,
    Sandbox,
    SandboxState,
)
from daytona_plugins.object_storage.blocking import BuildStorage
from daytona_plugins.object_storage.service import AsyncBuildStorage


def clients() -> None:
    assert_type(Daytona(), Daytona)
    assert_type(Daytona(DaytonaConfig(api_key="k", api_url="https://h/api", target="eu")), Daytona)
    assert_type(AsyncDaytona(None), AsyncDaytona)


def context_managers() -> None:
    with Daytona() as daytona:
        assert_type(daytona, Daytona)
        with daytona.create() as sandbox:
            assert_type(sandbox, Sandbox)


async def async_context_managers() -> None:
    async with AsyncDaytona() as daytona:
        assert_type(daytona, AsyncDaytona)
        async with await daytona.create() as sandbox:
            assert_type(sandbox, AsyncSandbox)


def lives(daytona: Daytona) -> None:
    sandbox = daytona.create(CreateSandboxFromSnapshotParams(name="x"), timeout=None)
    assert_type(sandbox, Sandbox)
    assert_type(daytona.create(CreateSandboxFromImageParams(image=Image.base("alpine"))), Sandbox)
    assert_type(daytona.get("x"), Sandbox)
    assert_type(daytona.find_one(labels={"a": "b"}), Sandbox)
    assert_type([found for found in daytona.list(ListSandboxesQuery())], list[Sandbox])  # noqa: C416 - what a loop sees
    assert_type(next(iter(daytona.list())), Sandbox)
    assert_type(sandbox.id, str)
    assert_type(sandbox.labels, dict[str, str])
    assert_type(sandbox.state, SandboxState | None)
    assert_type(sandbox.fork(), Sandbox)
    daytona.start(sandbox)
    daytona.delete(sandbox, wait=True)


async def async_lives(daytona: AsyncDaytona) -> None:
    sandbox = await daytona.create(CreateSandboxFromSnapshotParams(name="x"), timeout=None)
    assert_type(sandbox, AsyncSandbox)
    assert_type(await daytona.create(CreateSandboxFromImageParams(image="alpine")), AsyncSandbox)
    assert_type(await daytona.get("x"), AsyncSandbox)
    assert_type(await daytona.find_one(labels={"a": "b"}), AsyncSandbox)
    assert_type([found async for found in daytona.list()], list[AsyncSandbox])
    assert_type(sandbox.id, str)
    assert_type(sandbox.labels, dict[str, str])
    assert_type(sandbox.state, SandboxState | None)
    assert_type(await sandbox.fork(), AsyncSandbox)
    await daytona.start(sandbox)
    await daytona.delete(sandbox, wait=True)


def commands(sandbox: Sandbox) -> None:
    answer = sandbox.process.exec("echo hello", cwd="/tmp", env={"A": "b"}, timeout=5)
    assert_type(answer, ExecuteResponse)
    assert_type(answer.exit_code, int)
    assert_type(answer.result, str)
    assert_type(answer.stdout, str | None)
    assert_type(answer.truncated, bool)
    assert_type(sandbox.process.code_run("print(1)"), ExecuteResponse)


async def async_commands(sandbox: AsyncSandbox) -> None:
    assert_type(await sandbox.process.exec("echo hello", timeout=0.5), ExecuteResponse)
    assert_type(await sandbox.process.code_run("print(1)"), ExecuteResponse)


def files(sandbox: Sandbox, path: str | None) -> None:
    assert_type(sandbox.fs.list_files("."), list[FileInfo])
    assert_type(sandbox.fs.get_file_info("a"), FileInfo)
    assert_type(sandbox.fs.upload_file(b"bytes", "a"), None)
    assert_type(sandbox.fs.upload_file("local", "a", 10), None)
    assert_type(sandbox.fs.download_file("a"), bytes)
    assert_type(sandbox.fs.download_file("a", 10), bytes)
    assert_type(sandbox.fs.download_file("a", "local"), None)
    assert_type(sandbox.fs.download_file("a", path), bytes | None)
    assert_type(sandbox.fs.download_files([FileDownloadRequest(source="a")]), list[FileDownloadResponse])


async def async_files(sandbox: AsyncSandbox, path: str | None) -> None:
    assert_type(await sandbox.fs.list_files("."), list[FileInfo])
    assert_type(await sandbox.fs.upload_file(b"bytes", "a"), None)
    assert_type(await sandbox.fs.download_file("a"), bytes)
    assert_type(await sandbox.fs.download_file("a", 10), bytes)
    assert_type(await sandbox.fs.download_file("a", "local"), None)
    assert_type(await sandbox.fs.download_file("a", path), bytes | None)


def plugins(sandbox: Sandbox, daytona: Daytona) -> None:
    assert_type(sandbox.use(ComputerUse), ComputerUse)
    assert_type(sandbox.computer_use, ComputerUse)
    assert_type(sandbox.create_lsp_server("python", "."), LspServer)
    assert_type(daytona.object_storage, BuildStorage)
    assert_type(daytona.use(BuildStorage).upload("f"), str)


async def async_plugins(sandbox: AsyncSandbox, daytona: AsyncDaytona) -> None:
    assert_type(sandbox.use(AsyncComputerUse), AsyncComputerUse)
    assert_type(sandbox.computer_use, AsyncComputerUse)
    assert_type(sandbox.create_lsp_server("python", "."), AsyncLspServer)
    assert_type(daytona.object_storage, AsyncBuildStorage)
    assert_type(await daytona.use(AsyncBuildStorage).upload("f"), str)


def errors(error: DaytonaError) -> None:
    assert_type(error.status_code, int | None)
    assert_type(error.code, str | None)
    assert_type(error.sandbox_id, str | None)
    assert_type(error.retryable, bool)
