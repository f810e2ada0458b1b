"""The SSH server: who knows a token is let in, and reaches one sandbox and nothing else.

Only this file and its parts import asyncssh, which costs a fifth of a second and 20 MB: it is loaded when somebody asks for
access for the first time. The user name is the token, and no more is asked for, as on the hosted platform.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_CONNECT_FAILED

from daytona_plugins.local.forwarding import PeerGoneError
from daytona_plugins.local.platform.auth import write_private
from daytona_plugins.local.platform.site import HOST
from daytona_plugins.local.platform.ssh_relay import open_channel
from daytona_plugins.local.platform.ssh_sessions import PortSession, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.ssh_relay import Host

KEY_TYPE = "ssh-ed25519"
LOGIN_TIMEOUT = 30.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SshServer:
    """A listening server; *find* returns the sandbox that a token opens, or raises `RefusedError`."""

    def __init__(self, acceptor: asyncssh.SSHAcceptor, public_key: str) -> None:
        self._acceptor = acceptor
        self.port = acceptor.get_port()
        self.public_key = public_key

    @classmethod
    async def start(cls, paths: Paths, find: Callable[[str], Host], port: int) -> SshServer:
        """Listen on *port* of the loopback interface, or on any where that is taken."""
        asyncssh.set_log_level(logging.WARNING)  # it would log user names, which are tokens
        key = _load_or_make_key(paths.ssh_host_key)
        try:
            acceptor = await _listen(key, find, port)
        except OSError:
            acceptor = await _listen(key, find, 0)
        public_key = key.export_public_key("openssh").decode().strip()
        server = cls(acceptor, public_key)
        known = f"[{HOST}]:{server.port} {public_key}\n"
        write_private(paths.ssh_known_hosts, known.encode())
        return server

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self._acceptor.close()
        await self._acceptor.wait_closed()


class RefusedError(Exception):
    """Nobody is let in with this token; the text says why."""


async def _listen(key: asyncssh.SSHKey, find: Callable[[str], Host], port: int) -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        HOST,
        port,
        server_factory=lambda: _Login(find),
        server_host_keys=[key],
        server_version="daytona",
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        allow_pty=True,
        login_timeout=LOGIN_TIMEOUT,
        compression_algs=["none"],
        gss_host=None,
    )


def _load_or_make_key(file: Path) -> asyncssh.SSHKey:
    if file.exists():
        return asyncssh.import_private_key(file.read_bytes())
    key = asyncssh.generate_private_key(KEY_TYPE)  # pyright: ignore[reportUnknownMemberType] - its options are untyped
    write_private(file, key.export_private_key())
    return key


class _Login(asyncssh.SSHServer):
    """One connection."""

    _connection: asyncssh.SSHServerConnection
    _host: Host

    def __init__(self, find: Callable[[str], Host]) -> None:
        self._find = find

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Note the connection."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Return whether more than the user name is asked for: never, but there is nothing that would do instead."""
        try:
            self._host = self._find(username)
        except RefusedError as error:
            self._connection.send_auth_banner(f"{error}\n")
            return True
        return False

    def session_requested(self) -> Session:
        """Open a session."""
        return Session(self._host)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[PortSession]:
        """Open a connection to a port of the sandbox; others are refused."""
        if dest_host not in _LOOPBACK:
            raise asyncssh.ChannelOpenError(
                OPEN_ADMINISTRATIVELY_PROHIBITED,
                f"{dest_host}: only ports of the sandbox are forwarded, as localhost",
            )
        return self._open_port(dest_port)

    async def _open_port(self, port: int) -> PortSession:
        try:
            return PortSession(self._host, await open_channel(self._host, f"port/{port}"))
        except PeerGoneError as error:
            raise asyncssh.ChannelOpenError(
                OPEN_CONNECT_FAILED, f"nothing listens on port {port} of the sandbox"
            ) from error
