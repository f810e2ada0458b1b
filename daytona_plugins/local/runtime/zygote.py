"""The zygote: a process with one thread and everything imported, which forks sandboxes on command.

A fork of it needs no imports, so a sandbox is ready in milliseconds and the image needs no Python. It runs no code of
users, opens no network socket, and has a clean environment, because its memory is what every agent starts as.

One child is forked ahead and waits, an embryo: what a process writes to has to be copied for it, page by page, and that
takes longer than to make the sandbox. It has no files, no name and no environment before it is told whose it is.

It talks to the platform over one socket pair that keeps message borders. When that ends, or the zygote does, every
sandbox ends: they are killed with their parent.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from daytona_plugins.local.agent.main import Agent, warm_up
from daytona_plugins.local.runtime import kernel, preparing, sandbox
from daytona_plugins.local.runtime.idmaps import write_id_maps
from daytona_plugins.local.runtime.messages import (
    MESSAGE_LIMIT,
    Event,
    Exited,
    Ready,
    Spawn,
    Spawned,
    SpawnFailed,
    decode_spawn,
)
from daytona_plugins.local.runtime.seccomp import build_filter
from daytona_plugins.local.runtime.shifting import Shift, shift
from daytona_plugins.local.runtime.spec import Isolation, SandboxSpec
from daytona_plugins.local.runtime.way_out import MOST_SOCKETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from daytona_plugins.local.runtime.hostimage import HostImage
    from daytona_plugins.local.runtime.preparing import Prepared
    from daytona_plugins.local.runtime.procplan import ProcPlan

BUILD_TIMEOUT: Final = 20.0
REHEARSALS: Final = 12
"""The interpreter takes notes of a function in the function's own memory until it has run so many times."""
LULL: Final = 0.05
"""Seconds without a command after which the next rehearsal may begin."""


def serve(control: socket.socket, data: str, prepared: int) -> None:
    """Serve the platform at the other end of *control* until it goes away; see `preparing.finish` for *prepared*."""
    _Zygote(control).run(data, prepared)


class _Zygote:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._image: HostImage | None = None
        self._proc: ProcPlan | None = None
        self._shift: Shift | None = None
        self._sandboxes: dict[int, str] = {}
        self._embryo: _Embryo | None = None
        self._embryo_is_due = False
        self._blanks = ""
        self._blank = ""
        self._rehearsals = REHEARSALS
        self._lifeline, self._lifeline_end = os.pipe()
        self._child_ended, self._child_ended_end = os.pipe()

    def run(self, data: str, prepared: int) -> None:
        """Build what is asked for."""
        os.set_blocking(self._child_ended, False)
        os.set_blocking(self._child_ended_end, False)
        signal.set_wakeup_fd(self._child_ended_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake_up)
        try:
            self._begin(data, prepared)
            self._rehearse()
            self._reap()  # what the preparation has left to us
            while self._serve_one():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the platform went away between its command and our answer
        finally:
            self._kill_all()
            _remove_groups(data)

    def _begin(self, data: str, prepared: int) -> None:
        """Do first what can be done first: a platform that knows that there can be sandboxes is asked for one meanwhile."""
        is_prepared = bool(select.select([prepared], [], [], 0)[0])
        if not is_prepared:
            warm_up()
        self._say_ready(data, preparing.finish(prepared))
        if is_prepared:
            warm_up()
        build_filter()

    def _say_ready(self, data: str, prepared: Prepared) -> None:
        """Tell the platform whether there can be sandboxes."""
        self._image, self._proc = prepared.image, prepared.proc
        self._blanks = f"{data}/blanks"
        if self._image is not None and os.getuid() == 0:
            self._shift_ids(self._image, data)
        self._embryo_is_due = self._image is not None
        self._answer(Ready(prepared.verdict))

    def _serve_one(self) -> bool:
        sources: list[socket.socket | int] = [self._control, self._child_ended]
        readable, _, _ = select.select(sources, [], [], self._patience)
        if not readable:
            self._prepare_something()
        if self._child_ended in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._child_ended, 4096)
            self._reap()
        return self._control not in readable or self._obey()

    @property
    def _patience(self) -> float | None:
        """Seconds without a command after which there is something else to do."""
        if self._rehearsals:
            return LULL
        return 0 if self._embryo_is_due else None

    def _prepare_something(self) -> None:
        if self._rehearsals:
            self._rehearse()
        else:
            self._embryo_is_due = False  # once for each sandbox, whatever becomes of it
            with contextlib.suppress(OSError):  # whoever wants a sandbox tries again, and is told
                self._embryo = self._conceive()

    def _rehearse(self) -> None:
        """Leave less for each sandbox to do and to write: a page that is written in it is no longer shared.

        What there is by then is for good. It is not searched for garbage even once: the gaps that this would leave are
        where the next objects are put, each in another page.
        """
        self._rehearsals -= 1
        with Agent() as agent:
            agent.rehearse()
        gc.freeze()
        gc.enable()

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 1)
        if not message:
            return False
        self._answer(*self._try_spawn(decode_spawn(message).spec, descriptors[0]))
        return True

    def _try_spawn(self, spec: SandboxSpec, descriptor: int) -> tuple[Event, list[int]]:
        """Whatever one sandbox fails on, the others live on."""
        with socket.socket(fileno=descriptor) as listener:
            listener.set_inheritable(False)
            try:
                return self._spawn(spec, listener)
            except OSError as error:
                return SpawnFailed(spec.id, str(error)), []

    def _answer(self, event: Event, passed: Sequence[int] = ()) -> None:
        socket.send_fds(self._control, [msgspec.json.encode(event)], passed)
        for descriptor in passed:
            os.close(descriptor)

    def _shift_ids(self, image: HostImage, data: str) -> None:
        """Where that cannot be done, sandboxes share root's id, and say so."""
        with contextlib.suppress(OSError):
            self._shift = shift(image, data)
            self._image, self._blanks = self._shift.image(image), self._shift.path(self._blanks)

    def _spawn(self, spec: SandboxSpec, listener: socket.socket) -> tuple[Event, list[int]]:
        """Let an embryo become this sandbox: the one that waits, or a new one."""
        if self._shift is not None:
            spec = self._shift.spec(spec)
        embryo, self._embryo, self._embryo_is_due = self._embryo or self._conceive(), None, True
        with embryo.channel:
            try:
                report, passed = _tell(embryo.channel, spec, listener)
                event = self._spawned(spec, embryo.pid, report)
            except (OSError, _StepFailedError) as error:
                _kill(embryo.pid)
                return SpawnFailed(spec.id, str(error)), []
        return event, passed

    def _conceive(self) -> _Embryo:
        """Fork a process 1 that waits to be told which sandbox it is."""
        assert self._image is not None
        assert self._proc is not None
        shifted = self._shift is not None
        own = sandbox.Inheritance(
            self._image, self._proc, self._lifeline, shifted=shifted, blank=self._next_blank()
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = kernel.fork_into(sandbox.NAMESPACES)
            if pid == 0:
                self._forget_the_outside(ours)
                sandbox.become_process_1(theirs, own)
        try:
            write_id_maps(pid, shifted=shifted)
            ours.send(sandbox.MAPPED)
        except OSError:
            ours.close()
            _kill(pid)
            raise
        ours.settimeout(BUILD_TIMEOUT)
        return _Embryo(pid, ours)

    def _next_blank(self) -> str:
        """Return where there is a layer that nobody has taken, or else where one can be.

        No two have one name: by the name the file system looks for a place that is far from the others.
        """
        if not os.path.lexists(self._blank):
            name = next(iter(os.listdir(self._blanks)), f"{time.monotonic_ns():x}")
            self._blank = f"{self._blanks}/{name}"
        return self._blank

    def _forget_the_outside(self, channel: socket.socket) -> None:
        """In the child: close what belongs to the zygote alone, above all the end that keeps the lifeline open."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for descriptor in (self._lifeline_end, self._child_ended, self._child_ended_end):
            os.close(descriptor)
        for one in (self._control, channel):
            one.close()

    def _spawned(self, spec: SandboxSpec, pid: int, report: sandbox.Report) -> Event:
        if isinstance(report, sandbox.BuildFailed):
            raise _StepFailedError(report.message)
        self._sandboxes[pid] = spec.id
        return Spawned(spec.id, pid, _describe(spec, report, root=self._shares_root))

    @property
    def _shares_root(self) -> bool:
        """Whether user 0 of a sandbox is root outside as well."""
        return os.getuid() == 0 and self._shift is None

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid in self._sandboxes:
                    self._answer(Exited(self._sandboxes.pop(pid), os.waitstatus_to_exitcode(status)))
                elif self._embryo is not None and pid == self._embryo.pid:
                    self._embryo.channel.close()
                    self._embryo = None

    def _kill_all(self) -> None:
        if self._embryo is not None:
            _kill(self._embryo.pid)
        for pid in self._sandboxes:
            _kill(pid)


def _remove_groups(data: str) -> None:
    """A platform that was killed cannot do it; imported here, because only the end of a zygote needs it."""
    from daytona_plugins.local.runtime.cgroups import remove_abandoned

    remove_abandoned(data)


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: having a handler is what makes the interpreter write to the wake-up descriptor."""


class _StepFailedError(Exception):
    pass


class _Embryo(NamedTuple):
    """A process 1 of new namespaces, with a socket pair between us."""

    pid: int
    channel: socket.socket


def _tell(
    channel: socket.socket, spec: SandboxSpec, listener: socket.socket
) -> tuple[sandbox.Report, list[int]]:
    """Tell an embryo which sandbox it is, and return what it says of itself, with the descriptors that come along."""
    socket.send_fds(channel, [msgspec.json.encode(Spawn(spec))], [listener.fileno()])
    return _receive_report(channel)


def _receive_report(channel: socket.socket) -> tuple[sandbox.Report, list[int]]:
    message, descriptors, _, _ = socket.recv_fds(channel, 65536, MOST_SOCKETS)
    if not message:
        raise _StepFailedError("the sandbox ended while it was being built")
    return sandbox.decode_report(message), descriptors


def _kill(pid: int) -> None:
    """Kill and reap a child; process 1 takes all of its namespace along."""
    if pid:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _describe(spec: SandboxSpec, built: sandbox.Built, *, root: bool) -> Isolation:
    return Isolation(
        tier="namespace",
        network=spec.network,
        limits={
            "cpu": "ignored",
            "memory": "ignored",
            "disk": "ignored",
            "processes": "ignored" if root else "enforced",
        },
        notes=_notes(spec, built, root=root),
    )


def _notes(spec: SandboxSpec, built: sandbox.Built, *, root: bool) -> list[str]:
    notes = [
        "The kernel is shared with the host: for development, tests and your own agents, not for hostile code."
    ]
    if spec.network == "host":
        notes.append(
            "The network is the host's: services that listen on its loopback interface can be reached."
        )
        if not built.scoped_sockets:
            notes.append(
                "Abstract Unix sockets of the host can be reached: this kernel's Landlock cannot close them off."
            )
    elif not built.loopback:
        notes.append("The loopback interface could not be brought up; the sandbox has no network at all.")
    elif built.unredirected:
        notes.append(f"Only programs that use a proxy reach anything: {built.unredirected}")
    if root:
        notes.append(
            "The user inside is root outside, without capabilities: ids cannot be shifted here."
            " Run the platform as an ordinary user."
        )
    if os.getuid() != 0:
        notes.append(
            "Files of the host's system directories, except /etc, /usr/local and /opt, cannot be overwritten."
        )
    return notes
