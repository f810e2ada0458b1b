"""Logging in to a sandbox: with the command that the platform prints, from an ordinary ssh, scp and sftp."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from tests.behaviour.ssh_client import TIMEOUT, SshClient, log_in, needs_openssh

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

pytestmark = needs_openssh

one_face = pytest.mark.faces("blocking")
"""What happens after the log-in does not depend on who asked for it."""

ANSWER_ONE_LINE = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    with client, client.makefile("rb") as lines:
        client.sendall(b"you said " + lines.readline())
"""


async def test_the_printed_command_logs_in(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        access = await sandbox.create_ssh_access()
        client = SshClient(access.ssh_command)
        said = client.ssh("hostname; pwd; cat; echo problem >&2; exit 3", stdin=b"from here\n")
        assert access.sandbox_id == sandbox.id
        assert access.token in client.destination
        expected = f"{sandbox.id}\n{await sandbox.get_work_dir()}\nfrom here\n"
        assert (said.returncode, said.stdout.decode(), said.stderr) == (3, expected, b"problem\n")


@one_face
async def test_much_goes_through_in_both_directions(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        data = bytes(range(256)) * 12_000
        assert client.ssh("cat", stdin=data).stdout == data


@one_face
async def test_variables_reach_the_command(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        options = ("-o", "SetEnv=FIRST=1 SECOND=two")
        assert client.ssh("echo $FIRST $SECOND", options=options).stdout == b"1 two\n"


@one_face
async def test_a_shell_on_a_terminal(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        said = client.ssh(options=("-tt",), stdin=b"test -t 0 && echo yes-$((40 + 2)); exit 7\n")
        assert said.returncode == 7
        assert b"yes-42" in said.stdout


@one_face
async def test_a_command_ends_with_its_client(box: Callable[[], Any], unique: str) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        with client.running(f"exec -a {unique} sleep 1000 & echo started; wait") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
        deadline = time.monotonic() + TIMEOUT
        while (await sandbox.process.exec(f"pgrep -f '[{unique[0]}]{unique[1:]}'")).exit_code == 0:
            assert time.monotonic() < deadline


@pytest.mark.faces("asyncio")
async def test_signals_and_sizes_reach_the_program(box: Callable[[], Any]) -> None:
    async with box() as sandbox, logged_in(await sandbox.create_ssh_access()) as connection:
        script = "trap 'echo told' USR1; trap 'stty size' WINCH; echo ready; while true; do sleep 0.05; done"
        terminal = {"term_type": "xterm", "term_size": (90, 30)}
        async with connection.create_process(script, **terminal) as process:
            assert (await process.stdout.readline()).strip() == "ready"
            process.change_terminal_size(101, 42)
            assert (await process.stdout.readline()).strip() == "42 101"
            process.send_signal("USR1")  # which ends a sleep as well, and the shell says so
            assert "told" in await process.stdout.readuntil("told")
            process.send_signal("KILL")
            await process.wait_closed()
            assert process.exit_signal is not None
            assert process.exit_signal[0] == "KILL"


@pytest.mark.faces("asyncio")
async def test_a_program_that_does_not_read_can_still_be_signalled(box: Callable[[], Any]) -> None:
    async with (
        box() as sandbox,
        logged_in(await sandbox.create_ssh_access()) as connection,
        connection.create_process("echo ready; exec sleep 1000", encoding=None) as process,
    ):
        assert await process.stdout.readline() == b"ready\n"
        process.stdin.write(bytes(1024 * 1024))
        process.send_signal("TERM")
        await process.wait_closed()
        assert process.exit_signal is not None
        assert process.exit_signal[0] == "TERM"


@one_face
async def test_files_over_sftp(box: Callable[[], Any], folder: str, tmp_path: Path) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        there, back = tmp_path / "there", tmp_path / "back"
        there.write_bytes(bytes(range(256)) * 4000)
        done = client.sftp(
            f"mkdir {folder}", f"cd {folder}", f"put {there} one", "chmod 640 one", "symlink one link",
            "rename one two", "rm link", "mkdir inner", "rmdir inner", "ls -l", "df", f"get two {back}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert back.read_bytes() == there.read_bytes()
        assert b"-rw-r-----" in done.stdout
        found = await sandbox.fs.list_files(folder)
        assert [(file.name, file.size) for file in found] == [("two", 1_024_000)]


@one_face
async def test_sftp_sees_no_file_of_this_machine(box: Callable[[], Any], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of this machine")
    async with box() as sandbox:
        client = await log_in(sandbox)
        refused = client.sftp(f"get {tmp_path}/secret {tmp_path}/stolen")
        assert refused.returncode != 0
        assert not (tmp_path / "stolen").exists()
        assert b"not found" in refused.stderr


@one_face
@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["sftp", "scp"])
async def test_directories_are_copied(
    box: Callable[[], Any], folder: str, tmp_path: Path, protocol: tuple[str, ...]
) -> None:
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "inner" / "leaf").write_text("green")
    async with box() as sandbox:
        client = await log_in(sandbox)
        there = client.scp("-r", *protocol, str(tmp_path / "tree"), f"box:{folder}")
        back = client.scp("-r", *protocol, f"box:{folder}", str(tmp_path / "back"))
        assert (there.returncode, back.returncode) == (0, 0), (there.stderr, back.stderr)
        assert await sandbox.fs.download_file(f"{folder}/inner/leaf") == b"green"
    assert (tmp_path / "back" / "inner" / "leaf").read_text() == "green"


@one_face
async def test_ports_of_the_sandbox_are_forwarded(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        await sandbox.fs.upload_file(ANSWER_ONE_LINE.encode(), f"{folder}.py")
        with client.running(f"python3 {folder}.py") as server:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            answer = client.ssh(options=("-W", f"localhost:{port}"), stdin=b"hello\n")
        assert answer.stdout == b"you said hello\n"


@one_face
async def test_nothing_but_the_sandbox_is_forwarded_to(box: Callable[[], Any], unused_port: int) -> None:
    async with box() as sandbox:
        client = await log_in(sandbox)
        away = client.ssh(options=("-W", "192.0.2.1:80"))
        closed = client.ssh(options=("-W", f"localhost:{unused_port}"))
        back = client.ssh("true", options=("-R", "0:localhost:1", "-o", "ExitOnForwardFailure=yes"))
        assert b"only ports of the sandbox are forwarded" in away.stderr
        assert b"nothing listens on port" in closed.stderr
        assert back.returncode == 255


async def test_a_new_access_ends_the_one_before(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        first = await log_in(sandbox)
        second = await log_in(sandbox)
        refused = first.ssh("true")
        assert refused.returncode == 255
        assert b"has expired or was revoked" in refused.stderr
        assert second.ssh("true").returncode == 0


async def test_an_access_can_be_validated_and_revoked(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        access = await sandbox.create_ssh_access(expires_in_minutes=5)
        assert access.expires_at - access.created_at == timedelta(minutes=5)
        known = await sandbox.validate_ssh_access(access.token)
        assert (known.valid, known.sandbox_id) == (True, sandbox.id)
        with SshClient(access.ssh_command).running("echo in; read line; echo $line") as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == b"in\n"
            await sandbox.revoke_ssh_access(access.token)
            assert not (await sandbox.validate_ssh_access(access.token)).valid
            assert SshClient(access.ssh_command).ssh("true").returncode == 255
            said, _ = process.communicate(b"still here\n", TIMEOUT)  # who is in stays in
            assert said == b"still here\n"


async def test_an_expired_access_opens_nothing(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        access = await sandbox.create_ssh_access(expires_in_minutes=-1)
        assert not (await sandbox.validate_ssh_access(access.token)).valid
        assert SshClient(access.ssh_command).ssh("true").returncode == 255


async def test_whoever_comes_to_a_stopped_sandbox_is_told(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        client = await log_in(sandbox)
        with client.running("echo in; sleep 1000") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"in\n"
            await sandbox.stop()
            assert process.wait(TIMEOUT) == 255
        refused = client.ssh("true")
        assert refused.returncode == 255
        assert f"sandbox {sandbox.id} is stopped; start it and connect again".encode() in refused.stderr
        await sandbox.start()
        assert client.ssh("echo again").stdout == b"again\n"


def logged_in(access: Any) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
    """Log in with a client that can do what `ssh` cannot."""
    words = access.ssh_command.split()
    return asyncssh.connect(
        "127.0.0.1", int(words[words.index("-p") + 1]), username=access.token, known_hosts=None, config=None
    )
