"""From creation to deletion: every way to ask for a sandbox, and what may be done with it when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CodeLanguage,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    DaytonaValidationError,
    Image,
    Resources,
    SandboxState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# -- Creation -----------------------------------------------------------------------------------------------------


async def test_a_sandbox_from_nothing_has_the_defaults(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create()
        assert sandbox.auto_delete_interval == -1  # a `with` block sets one
        async with sandbox:
            assert sandbox.state == SandboxState.STARTED
            assert sandbox.name.startswith("sandbox-")
            assert sandbox.labels == {"code-toolbox-language": "python"}
            assert sandbox.language == "python"
            assert (sandbox.auto_stop_interval, sandbox.public) == (15, False)
            assert sandbox.toolbox_proxy_url
            assert (await sandbox.process.exec("echo ready")).result == "ready\n"


async def test_a_sandbox_is_as_it_was_asked_for(connect: Callable[[], Any], unique: str) -> None:
    params = CreateSandboxFromSnapshotParams(
        name=unique,
        language=CodeLanguage.JAVASCRIPT,
        env_vars={"GREETING": "hello  world", "EMPTY": ""},
        labels={"team": "a b", "größe": "☃"},
        public=True,
        auto_stop_interval=7,
        auto_archive_interval=8,
        auto_delete_interval=9,
        ttl_minutes=60,
    )
    async with connect() as daytona, await daytona.create(params) as sandbox:
        assert (sandbox.name, sandbox.public, sandbox.language) == (unique, True, "javascript")
        assert sandbox.labels == {"team": "a b", "größe": "☃", "code-toolbox-language": "javascript"}
        intervals = (sandbox.auto_stop_interval, sandbox.auto_archive_interval, sandbox.auto_delete_interval)
        assert intervals == (7, 8, 9)
        assert sandbox.auto_destroy_at
        assert sandbox.env == {"GREETING": "hello  world", "EMPTY": ""}
        answer = await sandbox.process.exec('printf "%s|%s" "$GREETING" "${EMPTY-unset}"')
        assert answer.result == "hello  world|"


@pytest.mark.parametrize(
    "image", ["debian:12.9", Image.base("debian:12").run_commands("touch /made")], ids=["name", "built"]
)
async def test_a_sandbox_comes_from_an_image(connect: Callable[[], Any], image: Any) -> None:
    params = CreateSandboxFromImageParams(image=image, resources=Resources(cpu=2, memory=4, disk=5))
    async with connect() as daytona, await daytona.create(params) as sandbox:
        assert (sandbox.cpu, sandbox.memory, sandbox.disk) == (2, 4, 5)
        assert sandbox.build_info.dockerfile_content.startswith("FROM ")
        assert (await sandbox.process.exec("echo runs")).result == "runs\n"


async def test_the_network_can_be_cut_off(connect: Callable[[], Any]) -> None:
    params = CreateSandboxFromSnapshotParams(network_block_all=True)
    probe = (
        "import socket\n"
        "try: socket.create_connection(('192.0.2.1', 9), 5)\n"
        "except OSError as error: print(type(error).__name__, error.errno)"
    )
    async with connect() as daytona, await daytona.create(params) as sandbox:
        assert sandbox.network_block_all
        assert (await sandbox.process.code_run(probe)).result == "ConnectionRefusedError 111\n"


async def test_an_ephemeral_sandbox_is_gone_when_it_stops(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create(CreateSandboxFromSnapshotParams(ephemeral=True))
        assert sandbox.auto_delete_interval == 0
        await sandbox.stop()
        assert sandbox.state == SandboxState.DESTROYED
        with pytest.raises(DaytonaNotFoundError):
            await daytona.get(sandbox.id)


async def test_parameters_are_left_as_they_are(connect: Callable[[], Any]) -> None:
    params = CreateSandboxFromSnapshotParams(labels={"a": "b"})
    async with connect() as daytona, await daytona.create(params):
        assert params == CreateSandboxFromSnapshotParams(labels={"a": "b"})


async def test_a_name_is_given_once(connect: Callable[[], Any], unique: str) -> None:
    params = CreateSandboxFromSnapshotParams(name=unique)
    async with connect() as daytona:
        async with await daytona.create(params):
            with pytest.raises(DaytonaConflictError, match=unique) as caught:
                await daytona.create(params)
            assert str(caught.value).startswith("Failed to create sandbox: ")
        async with await daytona.create(params) as again:
            assert again.name == unique


@pytest.mark.parametrize(
    "wrong",
    [
        {"auto_stop_interval": -1},
        {"auto_archive_interval": -1},
        {"ttl_minutes": -1},
        {"queue_timeout": 0},
        {"queue_timeout": True},
        {"auto_stop_interval": 5, "auto_pause_interval": 5},
        {"auto_pause_interval": 5, "auto_delete_interval": 0},
        {"language": "cobol"},
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    connect: Callable[[], Any], wrong: dict[str, Any]
) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaValidationError) as caught:
            await daytona.create(CreateSandboxFromSnapshotParams(**wrong))
    assert caught.value.status_code is None


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"snapshot": "no-such-snapshot"}, DaytonaBadRequestError),
        ({"target": "mars"}, DaytonaNotFoundError),
        ({"name": "<b>bold</b>"}, DaytonaBadRequestError),
    ],
    ids=str,
)
async def test_what_the_platform_does_not_have_is_refused_by_it(
    connect: Callable[[], Any], wrong: dict[str, Any], kind: type[DaytonaError]
) -> None:
    async with connect() as daytona:
        with pytest.raises(kind) as caught:
            await daytona.create(CreateSandboxFromSnapshotParams(**wrong))
    assert (caught.value.method, caught.value.path) == ("POST", "/api/sandbox")


async def test_creation_keeps_to_its_timeout(connect: Callable[[], Any], unique: str) -> None:
    params = CreateSandboxFromSnapshotParams(
        name=unique,
        auto_delete_interval=0,
        ttl_minutes=1,
        network_block_all=True,  # such a sandbox is not made ahead
    )
    async with connect() as daytona:
        with pytest.raises(DaytonaTimeoutError):
            await daytona.create(params, timeout=0.001)


# -- Finding ------------------------------------------------------------------------------------------------------


async def test_a_sandbox_is_found_by_id_and_by_name(connect: Callable[[], Any], unique: str) -> None:
    name = f"{unique} with/slash, spaces & größe ☃"
    async with connect() as daytona, await daytona.create(CreateSandboxFromSnapshotParams(name=name)) as made:
        by_id, by_name = await daytona.get(made.id), await daytona.get(name)
        assert by_id.id == by_name.id == (await daytona.find_one(name)).id == made.id
        assert by_id.name == name
        assert (await by_name.process.exec("echo found")).result == "found\n"


async def test_a_handle_goes_on_under_a_name_with_a_slash(connect: Callable[[], Any], unique: str) -> None:
    params = CreateSandboxFromSnapshotParams(name=f"{unique}/x")
    async with connect() as daytona, await daytona.create(params) as sandbox:
        await sandbox.refresh_data()
        await sandbox.set_labels({"k": "v"})
        assert (await daytona.get(f"{unique}/x")).labels["k"] == "v"


# -- Life ---------------------------------------------------------------------------------------------------------


async def test_files_survive_a_stop_and_programs_do_not(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.fs.upload_file(b"kept", "note.txt")
        await sandbox.process.exec(f"sleep 76.{len(unique)} >/dev/null 2>&1 &")
        await sandbox.stop()
        assert sandbox.state == SandboxState.STOPPED
        await sandbox.start()
        assert sandbox.state == SandboxState.STARTED
        assert await sandbox.fs.download_file("note.txt") == b"kept"
        assert "sleep 76" not in (await sandbox.process.exec("ps ax -o args= | grep -v grep")).result


async def test_the_client_does_what_the_sandbox_does(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create()
        await daytona.stop(sandbox)
        assert sandbox.state == SandboxState.STOPPED
        await daytona.start(sandbox)
        assert sandbox.state == SandboxState.STARTED
        await daytona.delete(sandbox, wait=True)
        assert sandbox.state == SandboxState.DESTROYED


async def test_starting_what_runs_changes_nothing(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.process.exec("touch /tmp/still-here")
        await sandbox.start()
        assert (await sandbox.process.exec("ls /tmp/still-here")).exit_code == 0


async def test_stopping_twice_is_an_illegal_state(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.stop(force=True)
        with pytest.raises(DaytonaBadRequestError) as caught:
            await sandbox.stop()
        assert str(caught.value).startswith("Failed to stop sandbox: ")
        assert (caught.value.sandbox_id, caught.value.status_code) == (sandbox.id, 400)
        assert caught.value.outcome == "done"
        assert sandbox.state == SandboxState.STOPPED


async def test_recovering_what_is_not_broken_is_an_illegal_state(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        with pytest.raises(DaytonaBadRequestError, match="Failed to recover sandbox: "):
            await sandbox.recover()
        with pytest.raises(DaytonaBadRequestError):
            await daytona.recover(sandbox)


async def test_archiving_what_runs_is_an_illegal_state(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        with pytest.raises(DaytonaBadRequestError, match="Failed to archive sandbox: "):
            await sandbox.archive()


async def test_a_stopped_sandbox_runs_nothing(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.stop()
        with pytest.raises(DaytonaError) as caught:
            await sandbox.process.exec("true")
        assert type(caught.value) is not DaytonaError
        assert caught.value.sandbox_id == sandbox.id


async def test_what_was_deleted_is_not_found(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create()
        await sandbox.delete(wait=True)
        for call in (sandbox.refresh_data, sandbox.start, sandbox.stop, sandbox.delete, sandbox.recover):
            with pytest.raises(DaytonaNotFoundError) as caught:
                await call()
            assert (caught.value.status_code, caught.value.sandbox_id) == (404, sandbox.id)
        with pytest.raises(DaytonaNotFoundError):
            await daytona.get(sandbox.id)
        with pytest.raises(DaytonaNotFoundError) as caught:
            await sandbox.process.exec("true")
        assert caught.value.sandbox_id == sandbox.id


async def test_a_sandbox_deleted_without_waiting_goes_away(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create()
        await sandbox.delete()
        assert sandbox.state in (SandboxState.DESTROYING, SandboxState.DESTROYED)
        await sandbox.wait_for_sandbox_stop()
        assert sandbox.id not in [listed.id async for listed in daytona.list()]


# -- Waiting ------------------------------------------------------------------------------------------------------


async def test_waiting_for_what_is_already_so_returns(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.wait_for_sandbox_start()
        await sandbox.wait_for_resize_complete()
        await sandbox.stop()
        await sandbox.wait_for_sandbox_stop(timeout=0)


async def test_a_wait_looks_instead_of_trusting_what_it_knows(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        other = await daytona.get(sandbox.id)
        await other.stop()
        assert sandbox.state == SandboxState.STARTED
        await sandbox.wait_for_sandbox_stop()
        assert sandbox.state == SandboxState.STOPPED


async def test_a_wait_that_cannot_succeed_ends_at_its_timeout(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        with pytest.raises(DaytonaTimeoutError) as caught:
            await sandbox.wait_for_sandbox_stop(timeout=0.3)
        assert caught.value.sandbox_id == sandbox.id
        assert str(caught.value).startswith("Failure during waiting for sandbox to stop: ")


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
async def test_a_timeout_that_is_no_duration_is_refused(connect: Callable[[], Any], timeout: float) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await sandbox.stop(timeout=timeout)
        assert sandbox.state == SandboxState.STARTED
