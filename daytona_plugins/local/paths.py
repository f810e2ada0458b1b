"""Where the embedded platform keeps its things: what lasts under `data`, what a running one needs under `runtime`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# sun_path has 108 bytes, and the last one is the terminating zero.
LONGEST_SOCKET_PATH = 107
# FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL, which `chattr +T` sets.
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_TOP_OF_HIERARCHY: Final = 0x00020000


class UnsafePathError(Exception):
    """A directory of the platform belongs to somebody else, or its name is too long for a Unix socket."""


class Paths(NamedTuple):
    """The files and directories of one platform; two platforms with different `Paths` never meet."""

    data: Path
    runtime: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """Return the paths that DAYTONA_LOCAL_DIR, or else the XDG variables, ask for."""
        if own := environ.get("DAYTONA_LOCAL_DIR"):
            return cls(Path(own).absolute() / "data", Path(own).absolute() / "run")
        return cls(_data_directory(environ), _runtime_directory(environ))

    @property
    def endpoint_file(self) -> Path:
        """Who is serving, where, and with which key; there while a platform runs."""
        return self.runtime / "endpoint.json"

    @property
    def lock_file(self) -> Path:
        """Held by the running platform for as long as it lives."""
        return self.runtime / "platform.lock"

    @property
    def launch_lock_file(self) -> Path:
        """Held by the one program that is starting a platform, so that others wait for it."""
        return self.runtime / "launch.lock"

    @property
    def log_file(self) -> Path:
        """What the platform has to say to the person who runs it."""
        return self.data / "platform.log"

    @property
    def database(self) -> Path:
        """The SQLite file with everything that was acknowledged."""
        return self.data / "platform.db"

    @property
    def key_file(self) -> Path:
        """The one API key of this platform."""
        return self.data / "key"

    @property
    def ssh_host_key(self) -> Path:
        """What the SSH server proves with that it is this platform's."""
        return self.data / "ssh_host_key"

    @property
    def ssh_known_hosts(self) -> Path:
        """What an SSH client needs to know of it: its address and public key."""
        return self.data / "ssh_known_hosts"

    @property
    def sandboxes(self) -> Path:
        """One directory a sandbox: its writable layer."""
        return self.data / "sandboxes"

    def sandbox(self, sandbox_id: str) -> Path:
        """Return the directory of one sandbox."""
        return self.sandboxes / sandbox_id

    @property
    def blanks(self) -> Path:
        """Layers in which nothing has been written, for sandboxes to come."""
        return self.data / "blanks"

    @property
    def parked(self) -> Path:
        """A file for each sandbox that was made ahead: its directory belongs to nobody yet."""
        return self.data / "parked"

    @property
    def objects(self) -> Path:
        """What the object store keeps: `<bucket>/<key>`."""
        return self.data / "objects"

    @property
    def volumes(self) -> Path:
        """One directory a volume."""
        return self.data / "volumes"

    def agent_socket(self, sandbox_id: str) -> Path:
        """Return where the agent of one sandbox listens, outside of the sandbox."""
        return self.runtime / "agents" / f"{sandbox_id}.sock"

    def make(self) -> None:
        """Make the directories, readable by nobody else.

        Raises:
            UnsafePathError: One of them belongs to another user, or a socket in it would have too long a name.
        """
        for directory in (self.data, self.runtime, self.parked, self.runtime / "agents"):
            _make_private(directory)
        for directory in (self.sandboxes, self.blanks):
            _make_private(directory)
            _scatter(directory)
        self._check_length()

    def _check_length(self) -> None:
        longest = os.fsencode(self.agent_socket("0" * 36))
        if len(longest) > LONGEST_SOCKET_PATH:
            raise UnsafePathError(
                f"{self.runtime} is too long a path for Unix sockets; set DAYTONA_LOCAL_DIR to a shorter one"
            )


def _data_directory(environ: Mapping[str, str]) -> Path:
    if base := environ.get("XDG_DATA_HOME"):
        return Path(base) / "daytona"
    return Path.home() / ".local" / "share" / "daytona"


def _runtime_directory(environ: Mapping[str, str]) -> Path:
    if base := environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "daytona"
    import tempfile  # takes as long to import as all of the rest here, and is seldom needed

    # The sticky bit keeps others from moving it away, `_make_private` from having made it first.
    return Path(tempfile.gettempdir()) / f"daytona-{os.getuid()}"


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafePathError(
            f"{directory} is not a directory of your own; remove it or set DAYTONA_LOCAL_DIR"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        directory.chmod(0o700)


def _scatter(directory: Path) -> None:
    """Ask the file system to keep what lies in *directory* far from each other, where it can.

    On ext4, the directories below would else be made side by side, where it looks at every inode that was in use lately
    before it finds a free one: where sandboxes come and go, that takes five times as long.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # other file systems have no such attribute
            (flags,) = struct.unpack("i", fcntl.ioctl(descriptor, _GET_FLAGS, b"\0" * 4))
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("i", flags | _TOP_OF_HIERARCHY))
    finally:
        os.close(descriptor)
