"""Settings of a sandbox, and what it says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromSnapshotParams,
    DaytonaBadRequestError,
    DaytonaError,
    DaytonaValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_labels_are_replaced_and_the_language_stays(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.set_labels({"a": "1", "b": "2"})
        kept = await sandbox.set_labels({"b": "3", "größe": "☃"})
        assert kept == sandbox.labels == {"b": "3", "größe": "☃", "code-toolbox-language": "python"}
        assert (await daytona.get(sandbox.id)).labels == kept
        assert (await daytona.get(sandbox.id)).language == "python"


@pytest.mark.parametrize(
    ("setter", "field", "value"),
    [
        ("set_autostop_interval", "auto_stop_interval", 60),
        ("set_autostop_interval", "auto_stop_interval", 0),
        ("set_auto_pause_interval", "auto_pause_interval", 0),
        ("set_auto_archive_interval", "auto_archive_interval", 90),
        ("set_auto_delete_interval", "auto_delete_interval", 120),
        ("set_auto_delete_interval", "auto_delete_interval", -1),
        ("set_public", "public", True),
        ("set_public", "public", False),
    ],
)
async def test_a_setting_is_there_at_once_and_when_asked_again(
    box: Callable[[], Any], setter: str, field: str, value: object
) -> None:
    async with box() as sandbox:
        await getattr(sandbox, setter)(value)
        assert await _field(sandbox, field) == value
        await sandbox.refresh_data()
        assert await _field(sandbox, field) == value


async def test_an_idle_sandbox_is_stopped_or_paused_and_not_both(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        await sandbox.set_autostop_interval(0)
        await sandbox.set_auto_pause_interval(30)
        with pytest.raises(DaytonaBadRequestError, match="stopped or paused"):
            await sandbox.set_autostop_interval(30)
        await sandbox.set_auto_pause_interval(0)
        await sandbox.set_autostop_interval(30)


async def _field(sandbox: Any, name: str) -> object:
    return getattr(sandbox, name)


@pytest.mark.parametrize(
    "setter", ["set_autostop_interval", "set_auto_pause_interval", "set_auto_archive_interval", "set_ttl"]
)
async def test_a_negative_interval_is_refused(box: Callable[[], Any], setter: str) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await getattr(sandbox, setter)(-1)


async def test_a_lifetime_is_set_and_taken_away(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.set_ttl(60)
        await sandbox.refresh_data()
        assert sandbox.auto_destroy_at
        await sandbox.set_ttl(0)
        await sandbox.refresh_data()
        assert not sandbox.auto_destroy_at


async def test_activity_is_noted(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        before = sandbox.last_activity_at
        await sandbox.refresh_activity()
        await sandbox.refresh_data()
        assert sandbox.last_activity_at >= before


async def test_the_network_changes_while_stopped(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        with pytest.raises(DaytonaBadRequestError, match="Failed to update network settings: "):
            await sandbox.update_network_settings(network_block_all=True)
        await sandbox.stop()
        await sandbox.update_network_settings(network_block_all=True)
        assert sandbox.network_block_all
        await sandbox.start()
        devices = (await sandbox.process.exec("tail -n +3 /proc/net/dev | cut -d: -f1")).result.split()
        assert set(devices) <= {"lo"}


async def test_lists_of_what_may_be_reached_change_while_it_runs(connect: Callable[[], Any]) -> None:
    params = CreateSandboxFromSnapshotParams(network_allow_list="198.51.100.0/24")
    async with connect() as daytona, await daytona.create(params) as sandbox:
        assert (sandbox.network_allow_list, sandbox.isolation.network) == ("198.51.100.0/24", "proxy")
        ask = "curl -sS http://a.api.invalid/"
        assert "cannot be resolved" in (await sandbox.process.exec(ask)).result
        await sandbox.update_network_settings(network_block_all=True, domain_allow_list="*.api.invalid")
        assert (sandbox.network_allow_list, sandbox.domain_allow_list) == (None, "*.api.invalid")
        assert "is blocked" in (await sandbox.process.exec(ask)).result
        await sandbox.update_network_settings(network_block_all=False, domain_allow_list="other.invalid")
        assert "in no list" in (await sandbox.process.exec(ask)).result


async def test_no_change_of_the_network_is_a_mistake(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError, match="network_block_all"):
            await sandbox.update_network_settings()


async def test_a_preview_link_names_the_port_and_a_token(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        link = await sandbox.get_preview_link(3000)
        assert link.token
        assert "3000" in link.url
        assert link.token not in repr(link)
        with pytest.raises(DaytonaError):
            await sandbox.get_preview_link(65536)


async def test_a_sandbox_knows_its_directories_and_its_load(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        home, work = await sandbox.get_user_home_dir(), await sandbox.get_work_dir()
        assert (await sandbox.process.exec("pwd; cd; pwd")).result.split() == [work, home]
        load = await sandbox.get_metrics_latest()
        assert load.cpu_count > 0
        assert load.mem_total > load.mem_used > 0
        assert load.disk_total > 0
        seen = (await sandbox.get_metrics())[-1]
        assert seen.mem_total > seen.mem_used > 0
        assert (seen.cpu_count, seen.disk_total > seen.disk_used > 0) == (load.cpu_count, True)


async def test_the_older_name_of_the_home_directory_works_and_warns(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.warns(DeprecationWarning, match="get_user_home_dir"):
            assert await sandbox.get_user_root_dir() == await sandbox.get_user_home_dir()


async def test_variables_of_a_running_sandbox_change(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.update_env({"A": "one", "B": "two"})
        await sandbox.update_env({"A": "three"}, unset=["B"])
        assert (await sandbox.process.exec('echo "$A|${B-unset}"')).result == "three|unset\n"


async def test_revoking_nothing_does_not_revoke_everything(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await sandbox.revoke_ssh_access("")


async def test_a_sandbox_says_how_it_is_isolated(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        assert sandbox.isolation.tier == "namespace"
        assert set(sandbox.isolation.limits.values()) <= {"enforced", "watched", "ignored"}
        await sandbox.refresh_data()
        assert sandbox.isolation is not None
