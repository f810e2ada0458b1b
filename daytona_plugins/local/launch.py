"""Finds the embedded platform of this user, or starts it.

This file is on the import path of every program that uses the client without a key, so it blocks, and imports little.
A platform belongs to the user, not to the program that happened to start it: it goes on when that program ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.paths import Paths, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Generator

START_PATIENCE = 90.0
"""The first start on a machine looks through /usr, which takes a while on a slow disk."""
PING_PATIENCE = 2.0
POLL = 0.01

# -P keeps the directory the user happens to be in, and the modules lying there, out of the platform.
_BOOT = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv.pop(1)); "
    "from daytona_plugins.local.platform.start import main; sys.exit(main(sys.argv[1:]))"
)
_PRIVATE_TO_THE_CLIENT = ("DAYTONA_API_KEY", "DAYTONA_JWT_TOKEN", "PYTHONDONTWRITEBYTECODE")
_SAYS_WHERE_MODULES_ARE = (
    "HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE",
)  # fmt: skip


class AlreadyRunningError(Exception):
    """Somebody else holds a lock, and goes on holding it."""


class PlatformEndpoint(NamedTuple):
    """A running platform, and how to talk to it."""

    api_url: str
    api_key: str
    notice: str
    """One line for people: what this is, how it isolates, and which process it is."""
    started: bool
    """Whether this call has started it."""
    pid: int
    version: str
    isolation: str

    def __repr__(self) -> str:
        return f"PlatformEndpoint({self.api_url!r}, pid={self.pid}, isolation={self.isolation!r})"


def connect() -> PlatformEndpoint:
    """Return the platform of this user on this machine, started if need be.

    Raises:
        DaytonaLocalPlatformError: It cannot run here, or did not start; the message says why and what helps.
    """
    if sys.platform != "linux":
        raise DaytonaLocalPlatformError(
            f"the embedded platform needs Linux; this is {sys.platform}",
            cause="Sandboxes are made of Linux namespaces.",
            remedy="Set DAYTONA_API_KEY to use a hosted platform, or DAYTONA_API_URL to use one on a Linux machine.",
        )
    paths = Paths.from_environment()
    return find(paths) or _start(paths)


def find(paths: Paths) -> PlatformEndpoint | None:
    """Return the platform that runs, if one does: what a file says counts only when its server answers."""
    try:
        told = json.loads(paths.endpoint_file.read_bytes())
    except FileNotFoundError:
        return None
    endpoint = _endpoint(told, started=False)
    return endpoint if _answers(endpoint) else None


@contextmanager
def hold(lock: Path, *, patience: float) -> Generator[None]:
    """Hold *lock* while the block runs; it is free again at the latest when this process ends.

    Raises:
        AlreadyRunningError: Somebody else still held it after *patience* seconds.
    """
    import fcntl  # not there on other systems, where importing this module must still work

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise AlreadyRunningError(lock) from error
                time.sleep(POLL)
        yield
    finally:
        os.close(descriptor)


def _start(paths: Paths) -> PlatformEndpoint:
    """Start a platform, unless somebody else is just doing that."""
    try:
        paths.make()
        with hold(paths.launch_lock_file, patience=START_PATIENCE):
            return find(paths) or _launch(paths)
    except AlreadyRunningError as error:
        raise DaytonaLocalPlatformError(
            "another program is starting the embedded platform and does not finish"
        ) from error
    except UnsafePathError as error:
        raise DaytonaLocalPlatformError(str(error)) from error


def _launch(paths: Paths) -> PlatformEndpoint:
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    with open(reading, "rb", buffering=0) as answers, ours:
        with open(writing, "wb"), theirs:
            first = _spawn(paths, theirs.fileno(), writing)
        try:
            _hand_over_the_environment(ours)
            told = _read_answer(answers.fileno(), paths)
        finally:
            os.waitpid(first, 0)
    if "error" in told:
        raise DaytonaLocalPlatformError(
            str(told["error"]), cause=_text(told, "cause"), remedy=_text(told, "remedy")
        )
    return _endpoint(told, started=True)


def _spawn(paths: Paths, environment: int, announcements: int) -> int:
    """Start the process, which forks once more so as to be nobody's child, and return its first self, which ends soon.

    It gets our environment later: of what it starts with, all sandboxes are to have a copy in their memory.
    """
    log = os.open(paths.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return os.posix_spawn(
            sys.executable,
            [
                *(sys.executable, "-P", "-c", _BOOT),
                *map(str, (Path(__file__).parents[2], paths.data, paths.runtime)),
            ],
            {name: os.environ[name] for name in _SAYS_WHERE_MODULES_ARE if name in os.environ},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, environment, 0),
                (os.POSIX_SPAWN_DUP2, announcements, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )
    finally:
        os.close(log)


def _hand_over_the_environment(connection: socket.socket) -> None:
    """Write our environment, but for what is ours alone; a platform that has ended already says why in its answer."""
    handed = {name: value for name, value in os.environ.items() if name not in _PRIVATE_TO_THE_CLIENT}
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(json.dumps(handed).encode(), socket.MSG_NOSIGNAL)
        connection.shutdown(socket.SHUT_WR)


def _read_answer(descriptor: int, paths: Paths) -> dict[str, object]:
    deadline = time.monotonic() + START_PATIENCE
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise DaytonaLocalPlatformError(
                f"the embedded platform did not start in time; see {paths.log_file}"
            )
        piece = os.read(descriptor, 65536)
        if not piece:
            raise DaytonaLocalPlatformError(f"the embedded platform ended at its start; see {paths.log_file}")
        received += piece
    answer: dict[str, object] = json.loads(received)
    return answer


def _answers(endpoint: PlatformEndpoint) -> bool:
    """Ask it who we are: only the platform that wrote the key knows."""
    address, _, path = endpoint.api_url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    request = (
        f"GET /{path}/api-keys/current HTTP/1.1\r\nHost: {address}\r\n"
        f"Authorization: Bearer {endpoint.api_key}\r\nConnection: close\r\n\r\n"
    )
    with suppress(OSError), socket.create_connection((host, int(port)), PING_PATIENCE) as connection:
        connection.sendall(request.encode())
        return _read_all(connection).startswith(b"HTTP/1.1 200 ")
    return False


def _read_all(connection: socket.socket) -> bytes:
    pieces = iter(lambda: connection.recv(65536), b"")
    return b"".join(pieces)


def _endpoint(told: dict[str, object], *, started: bool) -> PlatformEndpoint:
    pid, isolation = int(str(told["pid"])), str(told["isolation"])
    return PlatformEndpoint(
        api_url=str(told["url"]),
        api_key=str(told["key"]),
        notice=f"daytona: embedded platform on this machine, isolation {isolation!r} (shared kernel), pid {pid}",
        started=started,
        pid=pid,
        version=str(told["version"]),
        isolation=isolation,
    )


def _text(told: dict[str, object], key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) else None
