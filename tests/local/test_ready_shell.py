"""Shells that are started before their script is there: who gets one, and that nobody can tell."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.agent import ready_shell
from daytona_plugins.local.agent.ready_shell import Shells
from daytona_plugins.local.agent.reaper import Reaper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SHELL = "/bin/bash"


class Sandbox:
    """The part of an agent that starts shells, in this process."""

    def __init__(self) -> None:
        self.reaper = Reaper()
        self.reaper.install()
        self.shells = Shells(self.reaper)

    async def run(self, script: str, *, shell: str = SHELL, **wanted: Any) -> str:
        """Return what a script prints."""
        wanted = {"cwd": None, "envs": {}, "separate": False, **wanted}
        command = self.shells.start(shell, script, **wanted)
        await command.finish(timeout=20, drain=None)
        return command.text()

    async def ready(self) -> int:
        """Run commands until a shell waits for the next one, and return its pid."""
        for _ in range(2):
            await self.run(":")
            self.shells.expect_another(SHELL)
        (pid,) = children()
        return pid


def children() -> list[int]:
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


def in_a_sandbox(scenario: Callable[[Sandbox], Awaitable[None]]) -> None:
    """Run *scenario* in a process without other children: a reaper collects whatever ends."""

    async def run() -> None:
        sandbox = Sandbox()
        async with asyncio.timeout(20):
            await scenario(sandbox)
            sandbox.shells.close()
            await sandbox.reaper.wait_until_childless()

    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads, which the child does without
        child = os.fork()
    if child == 0:
        try:
            asyncio.run(run())
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as report:
        failure = report.read()
    os.waitpid(child, 0)
    assert not failure, failure


def test_commands_one_after_the_other_get_a_shell_that_is_there() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        pid = await sandbox.ready()
        assert (
            await sandbox.run("echo $$ $0; read line\nof input\necho $line >&2; (exit 3)")
            == f"{pid} {SHELL}\nof input\n"
        )
        sandbox.shells.expect_another(SHELL)
        command = sandbox.shells.start(SHELL, "exit 7", cwd=None, envs={}, separate=False)
        assert await command.finish(timeout=20, drain=None) == 7

    in_a_sandbox(scenario)


def test_what_is_told_to_expect_a_command_has_a_shell_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        sandbox.shells.make_ready(SHELL)
        first = children()
        sandbox.shells.make_ready(SHELL)
        assert children() == first  # it would do as well
        monkeypatch.setenv("LATER", "seen")
        sandbox.shells.make_ready(SHELL)
        (second,) = {*children()} - {*first}
        assert await sandbox.run("echo $$ $LATER") == f"{second} seen\n"

    in_a_sandbox(scenario)


def test_a_shell_that_nobody_needs_ends_unless_it_is_to_be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_shell, "SOON", 0.01)

    async def scenario(sandbox: Sandbox) -> None:
        sandbox.shells.make_ready(SHELL, patient=True)
        (patient,) = children()
        await asyncio.sleep(0.02)  # its timer would be earlier than ours, if it had one
        assert await sandbox.run("echo $$") == f"{patient}\n"
        sandbox.shells.make_ready(SHELL)
        await sandbox.reaper.wait_until_childless()

    in_a_sandbox(scenario)


def test_after_a_single_command_no_shell_waits() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.run(":")
        sandbox.shells.expect_another(SHELL)
        assert children() == []

    in_a_sandbox(scenario)


@pytest.mark.parametrize(
    "wanted",
    [
        {"envs": {"A": "b"}},
        {"cwd": "/"},
        {"separate": True},
        {"shell": "/bin/sh"},
        {"script": "echo $$; echo $SECONDS > /dev/null"},
        {"script": "echo $$" + " " * 5000},
    ],
    ids=["environment", "directory", "streams", "shell", "age", "length"],
)
def test_who_asks_for_something_else_gets_a_new_shell(wanted: dict[str, Any]) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        pid = await sandbox.ready()
        assert int(await sandbox.run(**({"script": "echo $$"} | wanted))) != pid
        assert await sandbox.run("echo $$") == f"{pid}\n"  # it waits for whom it fits

    in_a_sandbox(scenario)


def test_a_change_of_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.ready()
        monkeypatch.setenv("LATER", "seen")
        assert await sandbox.run("echo $LATER") == "seen\n"

    in_a_sandbox(scenario)


def test_what_a_shell_runs_at_its_start_is_not_run_before_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        monkeypatch.setenv("BASH_ENV", "/dev/null")
        for _ in range(2):
            await sandbox.run(":")
            sandbox.shells.expect_another(SHELL)
        assert children() == []

    in_a_sandbox(scenario)


def test_another_work_directory_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.ready()
        monkeypatch.chdir(tmp_path)
        assert await sandbox.run("pwd") == f"{tmp_path}\n"

    in_a_sandbox(scenario)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_shell_that_was_killed_meanwhile_is_replaced(number: signal.Signals) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        pid = await sandbox.ready()
        os.kill(pid, number)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - before the loop hears of it
        assert await sandbox.run("echo alive") == "alive\n"

    in_a_sandbox(scenario)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_shell_that_is_being_killed_is_replaced(number: signal.Signals) -> None:
    async def scenario(sandbox: Sandbox) -> None:
        for _ in range(50):  # it takes the signal while we ask for it, or later, or earlier
            os.kill(await sandbox.ready(), number)
            assert await sandbox.run("echo alive") == "alive\n"

    in_a_sandbox(scenario)


def ended(child: int) -> bool:
    """Wait for the end of a child, and return whether it is still to be collected."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT) is not None


def test_a_reaper_leaves_children_alone_until_it_is_installed() -> None:
    """In the zygote, where requests are rehearsed, the children are sandboxes."""

    async def scenario(sandbox: Sandbox) -> None:
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert ended(child)
        Reaper().collect()
        assert ended(child)

    in_a_sandbox(scenario)
