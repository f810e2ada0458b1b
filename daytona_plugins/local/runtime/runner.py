"""What the platform uses to have sandboxes: a zygote process that builds them, and a handle for each.

runner = await Runner.start(paths)
sandbox = await runner.spawn(SandboxSpec(id=..., hostname=..., upper=...))
...                                      # HTTP over sandbox.socket_path
await sandbox.stop(grace=5)
await remove_tree(upper)
await runner.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime import scope
from daytona_plugins.local.runtime.cgroups import Cgroups, Group, remove_abandoned
from daytona_plugins.local.runtime.messages import (
    MESSAGE_LIMIT,
    Event,
    Exited,
    Ready,
    Spawn,
    Spawned,
    SpawnFailed,
    decode_event,
)
from daytona_plugins.local.runtime.spec import Holds, Isolation, Limits, SandboxSpec
from daytona_plugins.local.runtime.unkept import why_not_kept
from daytona_plugins.local.runtime.way_out import MOST_SOCKETS, WayOut, way_out_of
from daytona_plugins.local.runtime.zygote_process import ZygoteProcess, start_zygote

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.runtime.probe import Verdict

__all__ = ["Isolation", "Runner", "RunningSandbox", "SandboxSpec", "SpawnError", "remove_tree"]

WITHOUT_KERNEL: Final[dict[str, Holds]] = {"cpu": "ignored", "memory": "watched", "disk": "watched"}
"""What becomes of a limit for which there is no control group."""
CONTROLLERS: Final = {"cpu": "cpu", "memory": "memory", "processes": "pids"}
"""What keeps a limit, for those that a control group can keep."""
START_TIMEOUT: Final = 60.0
BACKLOG: Final = 1024


class SpawnError(Exception):
    """A sandbox could not be built; the text names the step that failed."""


class RunningSandbox:
    """A sandbox whose agent answers; its files outlive it in `spec.upper`."""

    def __init__(
        self,
        spec: SandboxSpec,
        socket_path: Path,
        spawned: Spawned,
        ended: asyncio.Future[int],
        group: Callable[[], Group],
        way_out: WayOut | None = None,
    ) -> None:
        self.id = spec.id
        self.spec = spec
        self.pid = spawned.pid
        """Process 1 of the sandbox, as the host counts."""
        self.socket_path = socket_path
        """Where the agent listens; the socket lies outside the sandbox and goes away when it ends."""
        self._isolation = spawned.isolation
        self._group = group
        self._kept: set[str] = set()
        self._reasons: list[str] = []
        self._ended = ended
        self.way_out = way_out
        """Where its programs are answered, if its network is limited; whoever answers closes it."""

    @property
    def isolation(self) -> Isolation:
        """What separates it from this machine, and which of its limits hold in which way."""
        told = with_limits(self._isolation, self.spec.limits, self._kept)
        return msgspec.structs.replace(told, notes=[*told.notes, *self._reasons])

    @property
    def watched(self) -> Limits:
        """The limits that the kernel does not keep, and somebody has to look after."""
        return msgspec.structs.replace(self.spec.limits, **dict.fromkeys(self._kept - {"processes"}))

    def limit(self, limits: Limits) -> None:
        """Change its limits while it runs."""
        self.spec = msgspec.structs.replace(self.spec, limits=limits)
        if wanted := self._wanted():
            group = self._group()
            kept = group.keep(self.pid, wanted)
            self._kept = {name for name, controller in CONTROLLERS.items() if controller in kept}
            self._reasons = why_not_kept(wanted.keys() - group.controllers)

    def _wanted(self) -> dict[str, int]:
        """Return what a control group is to keep: processes only where they are not limited without one."""
        limits, unlimited = self.spec.limits, self._isolation.limits["processes"] == "ignored"
        wanted = {
            "cpu": limits.cpu,
            "memory": limits.memory,
            "pids": self.spec.max_processes if unlimited else None,
        }
        return {controller: value for controller, value in wanted.items() if value is not None}

    async def stop(self, *, grace: float = 5.0) -> None:
        """Ask every process inside to end, wait up to *grace* seconds, then kill; fine on a sandbox that has ended."""
        if grace > 0:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.wait()
        self._signal(signal.SIGKILL)
        await self.wait()

    async def wait(self) -> int:
        """Return the exit status of the agent once the sandbox has ended, negative for a signal."""
        return await asyncio.shield(self._ended)

    def _signal(self, number: signal.Signals) -> None:
        """Signal process 1; its pid stays its own until the zygote has told us that it was reaped."""
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class _Born(NamedTuple):
    """What there is of a sandbox when the zygote has built it; it may have ended before anybody looks."""

    spawned: Spawned
    ended: asyncio.Future[int]
    way_out: WayOut | None


class Runner:
    """Builds sandboxes; the zygote behind it, and every sandbox, ends with `close` or with this process."""

    def __init__(self, paths: Paths, zygote: ZygoteProcess) -> None:
        self._paths = paths
        self._zygote = zygote
        self._control = zygote.control
        self._ready: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._spawning: dict[str, asyncio.Future[_Born]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}
        self._send_lock = asyncio.Lock()
        self._cgroups: Cgroups | None = None
        self._groups: dict[str, Group] = {}
        self._settling: asyncio.Task[None] | None = None

    @property
    def zygote_pid(self) -> int:
        """The process that builds sandboxes."""
        return self._zygote.process.pid

    @classmethod
    async def start(cls, paths: Paths, zygote: ZygoteProcess | None = None) -> Runner:
        """Return a runner with a *zygote* that was started for it, or else with a new one.

        Raises:
            DaytonaLocalPlatformError: This machine cannot isolate sandboxes; it says why and what helps.
        """
        runner = cls(paths, zygote or start_zygote(paths.data))
        remove_abandoned(str(paths.data))
        runner._settle()
        try:
            await runner._wait_for_zygote()
        except BaseException:
            await runner.close()
            raise
        return runner

    async def _wait_for_zygote(self) -> None:
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._receive)
        async with asyncio.timeout(START_TIMEOUT):
            verdict = await self._ready
        if not verdict.full:
            message = f"sandboxes cannot be isolated on this machine: {verdict.cause} {verdict.remedy}"
            raise DaytonaLocalPlatformError(message, cause=verdict.cause, remedy=verdict.remedy)

    def _settle(self) -> None:
        """Get a part of the tree of control groups, while the zygote starts."""
        if scope.is_wanted():
            self._settling = asyncio.create_task(asyncio.to_thread(scope.move, os.getpid()))

    async def spawn(self, spec: SandboxSpec) -> RunningSandbox:
        """Build a sandbox, and return when requests to its agent are answered or wait for that.

        Raises:
            SpawnError: It could not be built; nothing of it is left but files in `spec.upper`.
        """
        if self._settling is not None:
            await asyncio.shield(self._settling)  # a sandbox begins in the group that the zygote is in
        if spec.id in self._spawning or spec.id in self._ended:
            raise SpawnError(f"sandbox {spec.id!r} is running already")
        path = self._paths.agent_socket(spec.id)
        with _listen(path) as listener:
            spawned, ended, way_out = await self._ask_for(spec, listener)
        group = partial(self._group, spec.id)
        sandbox = RunningSandbox(spec, path, spawned, ended, group, way_out)
        try:
            sandbox.limit(spec.limits)
        except BaseException:
            if way_out is not None:
                way_out.close()
            await sandbox.stop(grace=0)
            raise
        return sandbox

    async def _ask_for(self, spec: SandboxSpec, listener: socket.socket) -> _Born:
        answer: asyncio.Future[_Born] = asyncio.get_running_loop().create_future()
        self._spawning[spec.id] = answer
        try:
            await self._send(msgspec.json.encode(Spawn(spec)), [listener.fileno()])
        except OSError as error:  # the zygote is gone, or the message is too long for the socket
            del self._spawning[spec.id]
            self._paths.agent_socket(spec.id).unlink(missing_ok=True)
            raise SpawnError(f"the zygote cannot be asked: {error}") from error
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(_kill_unwanted)
            raise

    def _group(self, sandbox_id: str) -> Group:
        """Return the control group of a sandbox, which goes when it ends."""
        if self._cgroups is None:  # most platforms never need one
            self._cgroups = Cgroups(str(self._paths.data))
        if sandbox_id not in self._groups:
            self._groups[sandbox_id] = self._cgroups.open(sandbox_id)
        return self._groups[sandbox_id]

    async def close(self) -> None:
        """Kill every sandbox and end the zygote; may be called twice."""
        if self._control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._control)
        await asyncio.to_thread(self._zygote.close)
        if self._settling is not None:
            await self._settling
        self._forget_all()

    def _forget_all(self) -> None:
        """The zygote is gone, and every sandbox with it."""
        for ended in self._ended.values():
            if not ended.done():
                ended.set_result(-signal.SIGKILL)
        for answer in self._spawning.values():
            if not answer.done():
                answer.set_exception(SpawnError("the zygote has ended"))
        for sandbox_id in (*self._ended, *self._spawning):
            self._paths.agent_socket(sandbox_id).unlink(missing_ok=True)
            self._close_group(sandbox_id)
        self._ended.clear()
        self._spawning.clear()
        if self._cgroups is not None:
            self._cgroups.close()

    def _close_group(self, sandbox_id: str) -> None:
        if group := self._groups.pop(sandbox_id, None):
            group.close()

    async def _send(self, message: bytes, descriptors: list[int]) -> None:
        """Send one message whole; the socket keeps borders, so it is taken or refused as one."""
        async with self._send_lock:
            while True:
                try:
                    socket.send_fds(self._control, [message], descriptors)
                except BlockingIOError:
                    await _writable(self._control)
                else:
                    return

    def _receive(self) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, MOST_SOCKETS)
        except ConnectionResetError:
            message, descriptors = b"", []
        if message:
            self._handle(decode_event(message), way_out_of(descriptors))
        else:
            asyncio.get_running_loop().remove_reader(self._control)
            self._fail_start()
            self._forget_all()

    def _fail_start(self) -> None:
        if not self._ready.done():
            self._ready.set_exception(
                DaytonaLocalPlatformError("the process that builds sandboxes ended at its start")
            )

    def _handle(self, event: Event, way_out: WayOut | None) -> None:
        match event:
            case Ready(verdict):
                self._ready.set_result(verdict)
            case Spawned(sandbox_id):
                ended = self._ended[sandbox_id] = asyncio.get_running_loop().create_future()
                self._spawning.pop(sandbox_id).set_result(_Born(event, ended, way_out))
            case SpawnFailed(sandbox_id, message):
                self._paths.agent_socket(sandbox_id).unlink(missing_ok=True)
                self._spawning.pop(sandbox_id).set_exception(SpawnError(message))
            case Exited(sandbox_id, status):
                self._paths.agent_socket(sandbox_id).unlink(missing_ok=True)
                self._close_group(sandbox_id)
                self._ended.pop(sandbox_id).set_result(status)


def with_limits(isolation: Isolation, limits: Limits, kept: set[str]) -> Isolation:
    """Tell of each limit whether the kernel keeps it, the platform looks after it, or nobody does."""
    holds: dict[str, Holds] = dict(isolation.limits)
    for name, without in WITHOUT_KERNEL.items():
        if getattr(limits, name) is not None:
            holds[name] = without
    holds |= dict.fromkeys(kept, "enforced")
    return msgspec.structs.replace(isolation, limits=holds)


def _listen(path: Path) -> socket.socket:
    """Make the agent's socket here: connections wait in its backlog until the agent is there to take them."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return listener


def _kill_unwanted(answer: asyncio.Future[_Born]) -> None:
    """Nobody waits for this sandbox any more."""
    if not answer.cancelled() and answer.exception() is None:
        spawned, _ended, way_out = answer.result()
        if way_out is not None:
            way_out.close()
        os.kill(spawned.pid, signal.SIGKILL)


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, ready.set_result, None)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


async def remove_tree(path: Path) -> None:
    """Remove a sandbox's directory, whatever modes its processes left behind; fine when it is absent."""
    await asyncio.to_thread(_remove_tree, path)


def _remove_tree(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    _open_up(path)
    for directory, names, _files in os.walk(path):
        for name in names:
            _open_up(Path(directory, name))
    while path.exists():
        with contextlib.suppress(FileNotFoundError):  # the kernel removes files of an overlay's own meanwhile
            shutil.rmtree(path)


def _open_up(directory: Path) -> None:
    """Overlay keeps a directory of mode 000 for itself, and so may programs."""
    mode = directory.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        directory.chmod(0o700)
