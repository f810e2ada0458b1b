"""Sandboxes as the runner makes them: what they hide, what they forbid, and what they leave behind."""

# ruff: noqa: ASYNC240 (a look at a file does not block a test that has nothing else to do)

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime import zygote_process
from daytona_plugins.local.runtime.lending import find_programs
from daytona_plugins.local.runtime.procplan import MASKED_IN_PROC
from daytona_plugins.local.runtime.runner import Runner, RunningSandbox, SandboxSpec, SpawnError, remove_tree
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.platform_process import agents_of, children_of, command_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from daytona_plugins.local.paths import Paths


@contextlib.asynccontextmanager
async def running(paths: Paths) -> AsyncIterator[Runner]:
    try:
        runner = await Runner.start(paths)
    except DaytonaLocalPlatformError as error:
        pytest.skip(str(error))
    try:
        yield runner
    finally:
        await runner.close()


def spec(paths: Paths, name: str = "box", **fields: Any) -> SandboxSpec:
    return SandboxSpec(id=name, hostname=name, upper=str(paths.sandbox(name)), **fields)


async def ask(sandbox: RunningSandbox, method: str, target: str, body: object = None) -> bytes:
    """Return the body of the answer."""
    reader, writer = await asyncio.open_unix_connection(str(sandbox.socket_path))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def run(sandbox: RunningSandbox, command: str) -> str:
    answer = await ask(sandbox, "POST", "/process/execute", {"command": command})
    return str(json.loads(answer)["result"]).strip()


def in_sandbox(paths: Paths, *commands: str, **fields: Any) -> list[str]:
    """Return what each command prints in a fresh sandbox."""

    async def main() -> list[str]:
        async with running(paths) as runner:
            sandbox = await runner.spawn(spec(paths, **fields))
            outputs = [await run(sandbox, command) for command in commands]
            await sandbox.stop(grace=1)
            await remove_tree(paths.sandbox("box"))
            return outputs

    return asyncio.run(main())


# What is inside


def test_a_sandbox_has_a_name_a_user_and_a_home(paths: Paths):
    found = in_sandbox(
        paths,
        "hostname",
        "whoami; id -u",
        "echo $HOME; pwd; touch x; ls",
        "cat /etc/hostname",
        "getent hosts box",
    )
    assert found[0] == found[3] == "box"
    assert found[1] == "daytona\n0"
    assert found[2] == "/home/daytona\n/home/daytona\nx"
    assert "box" in found[4]


def test_the_host_is_not_visible(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOST_SECRET", "in-the-environment")
    found = in_sandbox(
        paths,
        "ls -A /home /root /srv /run /mnt",
        "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'",
        "ls -d /proc/[0-9]*; cat /proc/1/cmdline | tr '\\0' ' '",
        "cat /etc/shadow /etc/environment; ls -A /var/run/ /run",
        f"ls {Path(__file__).parent}; cat {paths.data}/*",
    )
    lent = ["daytona"] if find_programs() else []
    assert found[0].split() == ["/home:", "daytona", "/mnt:", "/root:", "/run:", *lent, "/srv:"]
    assert "HOST_SECRET" not in found[1]
    assert "/proc/1\n" in found[2]
    assert len(found[2].splitlines()) < 8
    assert found[2].endswith("daytona-agent")
    assert found[3].count("No such file") == 2
    assert "No such file" in found[4]


def test_only_people_of_the_sandbox_are_known(paths: Paths):
    (accounts,) = in_sandbox(paths, "cut -d: -f1,3 /etc/passwd | awk -F: '$2 >= 1000 && $2 < 65534'")
    assert accounts == ""


@pytest.mark.parametrize("network", ["host", "none"])
def test_what_a_sandbox_may_not_do(paths: Paths, network: str):
    found = in_sandbox(
        paths,
        "mount -t tmpfs none /mnt; umount /proc",
        "echo 1 > /proc/sys/kernel/printk; echo x > /proc/sys/kernel/hostname",
        "unshare -U true; unshare -m true; unshare -n true",
        "kill -9 1; kill -9 -1; echo alive",
        "ls /proc/1/cwd/ /proc/1/root/; cat /proc/1/environ /proc/1/maps /proc/1/fd/0; readlink /proc/1/exe || echo no",
        "head -c1 /proc/kmsg | wc -c; head -c1 /proc/kallsyms | wc -c; cat /proc/keys",
        "find /proc -maxdepth 1 -type f -perm /222 -writable",
        "mknod /dev/x b 254 0; mknod x b 254 0; ls /dev",
        "hostname other; date -s 2020-01-01",
        "grep -E 'NoNewPrivs|Seccomp:|CapEff' /proc/self/status",
        network=network,
    )
    assert (
        found[0].count("denied") + found[0].count("not permitted") + found[0].count("must be superuser") == 2
    )
    assert found[1].count("Read-only file system") == 2
    assert found[2].count("unshare failed: Operation not permitted") == 3
    assert "alive" in found[3]
    assert found[4].count("ermission denied") == 5
    assert found[4].endswith("no")
    assert found[5].split() == ["0", "0"]
    assert {Path(line).name for line in found[6].splitlines()} <= MASKED_IN_PROC
    assert found[7].count("Operation not permitted") == 2
    assert found[8].count("permi") + found[8].count("must be root") >= 2
    assert "NoNewPrivs:\t1" in found[9]
    assert "Seccomp:\t2" in found[9]
    assert int(found[9].split("CapEff:\t")[1].split()[0], 16) & (1 << 21) == 0  # CAP_SYS_ADMIN


def test_networks(paths: Paths):
    (interfaces, loopback) = in_sandbox(
        paths,
        "tail -n +3 /proc/net/dev | cut -d: -f1",
        """python3 -c "import socket; s=socket.create_server(('127.0.0.1',0)); socket.create_connection(s.getsockname()); print('up')" """,
        network="none",
    )
    assert (interfaces.split(), loopback) == (["lo"], "up")
    own = os.readlink("/proc/self/ns/net")
    assert in_sandbox(paths, "readlink /proc/self/ns/net") == [own]


def test_every_other_namespace_is_its_own(paths: Paths):
    (links,) = in_sandbox(
        paths, "for n in user mnt pid uts ipc cgroup net; do readlink /proc/self/ns/$n; done", network="none"
    )
    ours = {
        os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "uts", "ipc", "cgroup", "net")
    }
    assert len(links.split()) == 7
    assert not ours & set(links.split())


def test_files_can_be_written_where_people_write(paths: Paths):
    (output,) = in_sandbox(
        paths,
        "touch /etc/x /usr/local/bin/x /opt/x /tmp/x /var/lib/x /srv/x /root/x /run/x /dev/shm/x /usr/bin/x &&"
        " mkdir /app && echo more >> /etc/profile && rm /etc/hosts && test ! -e /etc/hosts && echo ok",
    )
    assert output == "ok"
    assert not Path("/usr/local/bin/x").exists()
    assert not Path("/app").exists()


def test_a_virtual_environment_works(paths: Paths):
    (output,) = in_sandbox(
        paths, "python3 -m venv --without-pip v && v/bin/python -c 'import sys, ssl; print(sys.prefix)'"
    )
    assert output == "/home/daytona/v"


def test_terminals_can_be_opened(paths: Paths):
    code = "import os; a, b = os.openpty(); print(os.ttyname(b))"
    (output,) = in_sandbox(paths, f"python3 -c '{code}'")
    assert output.startswith("/dev/pts/")


# Life and death


def test_files_stay_when_a_sandbox_stops(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            sandbox = await runner.spawn(spec(paths))
            await run(
                sandbox, "echo kept > file; mkdir /app; touch /app/x; rm /usr/bin/env; mkdir -m 000 locked"
            )
            await sandbox.stop(grace=1)
            sandbox = await runner.spawn(spec(paths))
            assert (
                await run(sandbox, "cat file; ls /app; test -e /usr/bin/env || echo gone") == "kept\nx\ngone"
            )
            await sandbox.stop(grace=0)
        await remove_tree(paths.sandbox("box"))
        await remove_tree(paths.sandbox("box"))
        assert not paths.sandbox("box").exists()

    asyncio.run(main())


def test_stopping_lets_processes_finish_and_leaves_nothing(paths: Paths):
    async def main() -> None:
        mounts, agents = mount_count(), list(Path(paths.runtime, "agents").iterdir())
        async with running(paths) as runner:
            sandbox = await runner.spawn(spec(paths))
            await leave_running(sandbox, "trap 'echo term > got; exit' TERM", "sleep 0.05")
            await run(sandbox, "sleep 1000 >/dev/null 2>&1 &")
            await sandbox.stop(grace=20)
            assert await sandbox.wait() == 0
            assert Path(paths.sandbox("box"), "root/files/home/daytona/got").read_text() == "term\n"
            assert not Path(f"/proc/{sandbox.pid}").exists()
            await sandbox.stop()
        await remove_tree(paths.sandbox("box"))
        assert mount_count() == mounts
        assert list(Path(paths.runtime, "agents").iterdir()) == agents == []
        assert list(paths.sandboxes.iterdir()) == []

    asyncio.run(main())


async def leave_running(sandbox: RunningSandbox, trap: str, pause: str) -> None:
    """Leave a process in the background and return when its trap is set: a signal before that would end it."""
    await run(sandbox, f"({trap}; : > armed; while :; do {pause}; done) >/dev/null 2>&1 &")
    await run(sandbox, "until [ -e armed ]; do sleep 0.01; done")


def mount_count() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def test_what_ignores_the_request_is_killed(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            sandbox = await runner.spawn(spec(paths))
            await leave_running(sandbox, "trap '' TERM HUP", "sleep 1")
            await sandbox.stop(grace=0.2)
            assert await sandbox.wait() == -signal.SIGKILL
            assert not sandbox.socket_path.exists()
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_sandboxes_end_with_the_runner_and_with_the_zygote(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            boxes = [await runner.spawn(spec(paths, f"box{number}")) for number in range(3)]
            await runner.close()
            assert [await box.wait() for box in boxes] == [-signal.SIGKILL] * 3
            assert not any(Path(f"/proc/{box.pid}").exists() for box in boxes)
        async with running(paths) as runner:
            box = await runner.spawn(spec(paths, "box0"))
            descriptor = os.pidfd_open(box.pid)
            os.kill(runner.zygote_pid, signal.SIGKILL)
            await readable(descriptor)
            os.close(descriptor)
            assert await box.wait() == -signal.SIGKILL
            with pytest.raises(SpawnError, match="zygote"):
                await runner.spawn(spec(paths, "box1"))
        for number in range(3):
            await remove_tree(paths.sandbox(f"box{number}"))

    asyncio.run(main())


async def readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    async with asyncio.timeout(20):
        await ready.wait()
    loop.remove_reader(descriptor)


def test_the_process_that_waits_becomes_the_next_sandbox(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            for name in ("first", "second"):
                embryo = await waiting_embryo(runner)
                box = await runner.spawn(spec(paths, name))
                assert box.pid == embryo
                assert await run(box, "hostname; echo $DAYTONA_SANDBOX_ID") == f"{name}\n{name}"
            for name in ("first", "second"):
                await remove_tree(paths.sandbox(name))

    asyncio.run(main())


def test_the_shell_of_the_first_command_is_there_before_the_command(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            box = await runner.spawn(spec(paths))
            await until(lambda: bool(children_of(box.pid)))
            (shell,) = children_of(box.pid)
            status = Path(f"/proc/{shell}/status").read_text()
            (inside,) = re.findall(r"NSpid:.*\t(\d+)\n", status)
            assert await run(box, "echo $$") == inside
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_the_layer_that_was_made_ahead_is_taken_also_by_the_zygote_after_this_one(paths: Paths):
    async def take(name: str, runner: Runner) -> None:
        await waiting_embryo(runner)
        await until(lambda: list(paths.blanks.glob("*/root/files")))
        (blank,) = paths.blanks.iterdir()
        made = blank.stat().st_ino
        await runner.spawn(spec(paths, name))
        assert paths.sandbox(name).stat().st_ino == made
        await until(lambda: len([*paths.blanks.iterdir()]) == 1)

    async def main() -> None:
        async with running(paths) as runner:
            await take("first", runner)
            await take("second", runner)
        (left,) = paths.blanks.iterdir()
        async with running(paths) as runner:
            await until(lambda: (left / "root/files").exists())
            assert [*paths.blanks.iterdir()] == [left]
            await take("third", runner)
        for name in ("first", "second", "third"):
            await remove_tree(paths.sandbox(name))

    asyncio.run(main())


def test_a_sandbox_is_made_though_the_process_for_it_has_died(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            embryo = await waiting_embryo(runner)
            os.kill(embryo, signal.SIGKILL)
            await until(lambda: embryo not in children_of(runner.zygote_pid))
            box = await runner.spawn(spec(paths))
            assert await run(box, "hostname") == "box"
            assert await waiting_embryo(runner) != box.pid
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


async def waiting_embryo(runner: Runner) -> int:
    """Return the process that the zygote has forked ahead, once there is one."""

    def found() -> list[int]:
        return [
            pid for pid in children_of(runner.zygote_pid) if command_line(pid).startswith(b"daytona-embryo")
        ]

    await until(found)
    return found()[0]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


def test_many_at_once_and_one_name_once(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            names = [f"box{number}" for number in range(8)]
            boxes = await asyncio.gather(*(runner.spawn(spec(paths, name)) for name in names))
            assert await asyncio.gather(*(run(box, "hostname") for box in boxes)) == names
            with pytest.raises(SpawnError, match="running"):
                await runner.spawn(spec(paths, "box0"))
            await asyncio.gather(*(box.stop(grace=0) for box in boxes))
            again = await runner.spawn(spec(paths, "box0"))
            assert await run(again, "hostname") == "box0"
        for name in names:
            await remove_tree(paths.sandbox(name))

    asyncio.run(main())


def test_a_sandbox_that_cannot_be_built_says_why(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            with pytest.raises(SpawnError, match="Not a directory"):
                await runner.spawn(spec(paths, workdir="/etc/passwd/x"))
            assert list(Path(paths.runtime, "agents").iterdir()) == []
            assert await run(await runner.spawn(spec(paths)), "echo ok") == "ok"
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_the_report_is_plain(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            open_box = await runner.spawn(spec(paths))
            closed_box = await runner.spawn(spec(paths, "closed", network="none", max_processes=100))
        assert (open_box.isolation.tier, open_box.isolation.network) == ("namespace", "host")
        assert any("loopback" in note for note in open_box.isolation.notes)
        assert closed_box.isolation.network == "none"
        assert closed_box.isolation.limits["memory"] == "ignored"
        assert closed_box.isolation.limits["processes"] == "enforced"
        for name in ("box", "closed"):
            await remove_tree(paths.sandbox(name))

    asyncio.run(main())


PLATFORM = """
import asyncio, sys
from pathlib import Path
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.runtime.runner import Runner, SandboxSpec

async def main():
    paths = Paths(Path(sys.argv[1]), Path(sys.argv[2]))
    runner = await Runner.start(paths)
    box = await runner.spawn(SandboxSpec(id="box", hostname="box", upper=str(paths.sandbox("box"))))
    print(runner.zygote_pid, box.pid, flush=True)
    await box.wait()

asyncio.run(main())
"""


def test_everything_ends_when_the_platform_is_killed(paths: Paths):
    async def main() -> None:
        async with running(paths):
            pass  # or skip
        platform = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PLATFORM, str(paths.data), str(paths.runtime),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert platform.stdout is not None
        pids = [int(pid) for pid in (await platform.stdout.readline()).split()]
        descriptors = [os.pidfd_open(pid) for pid in pids]
        platform.kill()
        for descriptor in descriptors:
            await readable(descriptor)
            os.close(descriptor)
        await platform.wait()
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_a_spawn_that_is_cancelled_leaves_no_sandbox(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            spawning = asyncio.create_task(runner.spawn(spec(paths)))
            other = await runner.spawn(spec(paths, "other"))
            spawning.cancel()
            await asyncio.wait({spawning})
            async with asyncio.timeout(20):
                while agents_of(runner.zygote_pid) != [other.pid]:
                    await run(other, "true")
        await remove_tree(paths.sandbox("box"))
        await remove_tree(paths.sandbox("other"))

    asyncio.run(main())


def test_who_asks_a_sandbox_to_end_before_its_agent_listens_is_heard(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            box = await runner.spawn(spec(paths))
            await box.stop(grace=60)
            assert await box.wait() == 0, "it was not killed"
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_a_message_too_long_fails_alone(paths: Paths):
    async def main() -> None:
        async with running(paths) as runner:
            with pytest.raises(SpawnError, match="cannot be asked"):
                await runner.spawn(spec(paths, env={"LONG": "x" * 4_000_000}))
            Path(paths.sandboxes, "file").write_text("")
            with pytest.raises(SpawnError, match="Not a directory"):
                await runner.spawn(
                    SandboxSpec(id="box", hostname="box", upper=str(paths.sandboxes / "file" / "x"))
                )
            assert await run(await runner.spawn(spec(paths)), "echo ok") == "ok"
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


def test_a_machine_that_cannot_isolate_is_refused_with_a_remedy(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zygote_process, "BOOT", PATCHED_BOOT.format(patch="kernel.unshare = refuse"))
    with pytest.raises(DaytonaLocalPlatformError, match="cannot be isolated") as caught:
        asyncio.run(Runner.start(paths))
    assert caught.value.cause
    assert caught.value.remedy
    assert not (paths.data / "probe.json").exists()


def test_a_host_without_python_lends_its_own(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    patch = (
        "real = os.access; os.access = lambda path, *rest: path != '/usr/bin/python3' and real(path, *rest)"
    )
    monkeypatch.setattr(zygote_process, "BOOT", PATCHED_BOOT.format(patch=patch))
    found = in_sandbox(
        paths,
        "echo $PATH",
        "/opt/daytona-python/bin/python3 -c 'import json; print(1)'",
        "touch /opt/daytona-python/x",
    )
    assert found[0].endswith(":/bin:/opt/daytona-python/bin")
    assert found[1] == "1"
    assert "Read-only" in found[2]


PATCHED_BOOT = """
import errno, json, os, socket, sys
def refuse(*_):
    raise PermissionError(errno.EPERM, "refused")
control = socket.socket(fileno=int(sys.argv[1]))
sys.path[:], data = json.loads(control.recv(1 << 20))
from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.zygote_start import main
{patch}
main(control, data)
"""


# No Python inside

WATCHING_BOOT = (
    "import os, sys\n"
    "class Watch:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if os.getpid() == 1:\n"
    "            with open('/imports', 'a') as log: log.write(name + '\\n')\n"
    "sys.meta_path.insert(0, Watch())\n"
)


def test_the_agent_imports_nothing_inside_its_sandbox(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    """Inside there may be no Python, or another one; the zygote must have imported all that requests need."""
    monkeypatch.setattr(zygote_process, "BOOT", WATCHING_BOOT + zygote_process.BOOT)

    async def main() -> None:
        async with running(paths) as runner:
            sandbox = await runner.spawn(spec(paths))
            for method, target, body in EXERCISE:
                await ask(sandbox, method, target, body)
            await sandbox.stop(grace=5)
        log = Path(paths.sandbox("box"), "root/files/imports")
        assert not log.exists(), log.read_text()
        await remove_tree(paths.sandbox("box"))

    asyncio.run(main())


LSP = {"languageId": "python", "pathToProject": "."}

EXERCISE: list[tuple[str, str, object]] = [
    ("GET", "/version", None),
    ("GET", "/system/metrics", None),
    ("POST", "/init", {}),
    ("POST", "/env", {"set": {"A": "1"}}),
    ("POST", "/process/execute", {"command": "echo hi", "separateStreams": True}),
    ("POST", "/process/execute", {"command": "sleep 9", "timeout": 1}),
    ("POST", "/process/execute", {"command": "true", "cwd": "/nope"}),
    ("POST", "/process/execute", None),
    ("POST", "/process/code-run", {"code": "print(1)", "language": "python"}),
    ("POST", "/files/folder?path=d", None),
    ("POST", "/files/upload-v2?path=d/f", "content"),
    ("POST", "/files/upload?path=d/f", "content"),
    ("POST", "/files/bulk-upload", "content"),
    ("GET", "/files?path=d&depth=2", None),
    ("GET", "/files/info?path=nope", None),
    ("GET", "/files/search?path=d&pattern=*", None),
    ("GET", "/files/find?path=d&pattern=c", None),
    ("POST", "/files/replace", {"files": ["d/f"], "pattern": "c", "newValue": "k"}),
    ("POST", "/files/permissions?path=d/f&mode=600&owner=daytona", None),
    ("POST", "/files/move?source=d/f&destination=/dev/shm/g", None),
    ("GET", "/port", None),
    ("POST", "/lsp/start", LSP),
    ("POST", "/lsp/completions", {**LSP, "uri": "d/g.py", "position": {"line": 0, "character": 0}}),
    ("GET", "/lsp/document-symbols?languageId=python&pathToProject=.&uri=.bashrc", None),
    ("POST", "/lsp/stop", LSP),
    ("GET", "/port/3999/in-use", None),
    ("GET", "/caf%E9?x=%FF", None),
    ("DELETE", "/files?path=d&recursive=true", None),
]


# As somebody else


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
