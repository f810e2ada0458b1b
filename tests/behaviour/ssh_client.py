"""The ordinary `ssh`, `scp` and `sftp`, run as the answer of the platform says."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 60

needs_openssh = pytest.mark.skipif(
    shutil.which("ssh") is None, reason="needs the Debian package openssh-client"
)


class SshClient:
    """Programs that log in with one access."""

    def __init__(self, command: str) -> None:
        self.words = shlex.split(command)
        port = self.words.index("-p")
        known_hosts = self.words[self.words.index("-o") + 1]
        self.destination = self.words[-1]
        # scp and sftp spell the port with a capital letter.
        self._file_options = ["-P", self.words[port + 1], "-o", known_hosts]

    def ssh(
        self, *command: str, options: tuple[str, ...] = (), stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `ssh` with the words of the printed command, and more."""
        words = [self.words[0], *options, *self.words[1:], *command]
        return subprocess.run(words, input=stdin, capture_output=True, timeout=TIMEOUT, check=False)

    @contextlib.contextmanager
    def running(self, *command: str, options: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """Run `ssh` beside the block, and kill it at its end."""
        words = [self.words[0], *options, *self.words[1:], *command]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()

    def sftp(self, *commands: str) -> subprocess.CompletedProcess[bytes]:
        """Run a batch of `sftp`, which ends at the first command that fails."""
        words = ["sftp", "-b", "-", *self._file_options, self.destination]
        batch = "\n".join(commands).encode()
        return subprocess.run(words, input=batch, capture_output=True, timeout=TIMEOUT, check=False)

    def scp(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run `scp`; `box:` at the start of a word stands for the sandbox."""
        places = [word.replace("box:", f"{self.destination}:", 1) for word in words]
        return subprocess.run(
            ["scp", *self._file_options, *places],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )


async def log_in(sandbox: Any) -> SshClient:
    """Return what logs in to *sandbox* with a new access."""
    return SshClient((await sandbox.create_ssh_access()).ssh_command)
