"""The git program: one run of it, with an environment in which it never asks and never runs what it finds.

Credentials reach git through a file in memory that its credential helper reads, for the one server they are meant for.
They are in no argument, in no variable and in no file on disk, and a redirection to another host does not get them.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.agent.command import Command, Output, text_file
from daytona_plugins.local.agent.git_errors import failure
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from daytona_plugins.local.agent.reaper import Reaper

# What git would take from our caller's repository instead of the one it is sent to.
_FOREIGN: Final = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
    "GIT_PREFIX", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_TRACE_CURL", "GIT_CURL_VERBOSE",
)  # fmt: skip

_ENVIRONMENT: Final = {
    "LC_ALL": "C",  # errors are told apart by their text
    "LANGUAGE": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",  # also keeps core.askPass from being asked
    "GIT_EDITOR": "true",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ADVICE": "0",
}
_SETTINGS: Final = {
    "safe.directory": "*",  # files that were uploaded may belong to another user; the sandbox is the border
    "core.hooksPath": "/dev/null",  # like the real daemon, which has no hooks
    "commit.gpgSign": "false",
    "core.quotePath": "false",
    "advice.detachedHead": "false",
}
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s'\"]*@")
_HTTP_ORIGIN: Final = re.compile(r"(https?://[^/?#]+)", re.IGNORECASE)


class Credentials(NamedTuple):
    """What a git server asks for."""

    username: str
    password: str


class GitProgram:
    """Runs git."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    async def run(
        self,
        *arguments: str,
        path: str | None = None,
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
        access: Access | None = None,
    ) -> str:
        """Return what git writes to its standard output.

        Args:
            arguments: Those of git.
            path: The repository, looked for there and nowhere above.
            stdin: What git reads.
            variables: Added to its environment.
            access: The credentials for the server it talks to.

        Raises:
            HTTPError: It failed; the code says at what.
        """
        status, output, errors = await self.attempt(
            *arguments, path=path, stdin=stdin, variables=variables, access=access
        )
        if status:
            said = errors + output
            raise failure(said, shown=_masked(said, access))
        return output

    async def attempt(
        self,
        *arguments: str,
        path: str | None = None,
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
        access: Access | None = None,
    ) -> tuple[int, str, str]:
        """Return git's exit status and what it wrote to standard output and standard error."""
        place = ["-C", _repository(path)] if path is not None else []
        with _passed(access) as (settings, descriptors):
            environment = _environment(path, settings, variables or {})
            command = self._start(["git", *place, *arguments], stdin, environment, descriptors)
            status = await command.finish(timeout=None, drain=None)
        if command.stdout.truncated:
            raise HTTPError(500, "git's answer is too long", code="INTERNAL_SERVER_ERROR")
        return status, command.stdout.text(), command.stderr.text()

    async def succeeds(self, *arguments: str, path: str | None = None, stdin: str = "") -> bool:
        """Return whether git says yes."""
        return (await self.attempt(*arguments, path=path, stdin=stdin))[0] == 0

    def _start(
        self, arguments: list[str], stdin: str, environment: dict[str, str], descriptors: Sequence[int]
    ) -> Command:
        stdout, stderr = Output(self._reaper.collect), Output(self._reaper.collect)
        source = text_file(stdin)
        try:
            process = subprocess.Popen(  # noqa: S603 (the program is ours, and no shell sees its arguments)
                arguments,
                stdin=source,
                stdout=stdout.write_end,
                stderr=stderr.write_end,
                env=environment,
                process_group=0,
                close_fds=False,  # all our other descriptors close by themselves at exec
            )
        except FileNotFoundError as error:
            raise HTTPError(
                501,
                "the program git is missing in this sandbox; install the package 'git' (apt-get install git)",
                code="GIT_NOT_INSTALLED",
            ) from error
        except ValueError as error:  # a NUL in an argument
            raise HTTPError(400, f"bad request: {error}", code="BAD_REQUEST") from error
        finally:
            os.close(source)
            for output in (stdout, stderr):
                output.started()
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
        process.returncode = 0  # the reaper collects it, not this object
        return Command(self._reaper, process.pid, stdout, stderr)


class Access(NamedTuple):
    """The way to one git server."""

    url: str
    credentials: Credentials | None = None
    skip_tls: bool = False

    @property
    def origin(self) -> str | None:
        """The part of an HTTP address that decides who gets the credentials."""
        found = _HTTP_ORIGIN.match(self.url)
        return found[1] if found else None


@contextlib.contextmanager
def _passed(access: Access | None) -> Generator[tuple[dict[str, str], list[int]]]:
    """Yield settings that lead git to the credentials, and the open files it must inherit for that."""
    if access is None or access.credentials is None or access.origin is None:
        skip = {"http.sslVerify": "false"} if access is not None and access.skip_tls else {}
        yield skip, []
        return
    username, password = access.credentials
    if {"\n", "\r", "\0"} & set(username + password):
        raise HTTPError(400, "bad request: credentials cannot hold line ends", code="BAD_REQUEST")
    secret = text_file(f"username={username}\npassword={password}\n")
    os.set_inheritable(secret, True)
    helper = f'!f() {{ test "$1" = get && cat /proc/self/fd/{secret}; }}; f'
    settings = {"credential.helper": "", f"credential.{access.origin}.helper": helper}
    try:
        yield settings | ({"http.sslVerify": "false"} if access.skip_tls else {}), [secret]
    finally:
        os.close(secret)


def _environment(
    path: str | None, settings: Mapping[str, str], variables: Mapping[str, str]
) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment.update(_ENVIRONMENT)
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if path is not None:
        environment["GIT_CEILING_DIRECTORIES"] = os.path.dirname(os.path.realpath(path))
    environment.update(_numbered({**_SETTINGS, **settings}))
    environment.update(variables)
    return environment


def _numbered(settings: Mapping[str, str]) -> dict[str, str]:
    """Return variables that git reads as settings, after those that the sandbox's environment has already."""
    present = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(present) if present.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings.items(), start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _repository(path: str) -> str:
    if not os.path.isdir(path):
        raise failure(f"fatal: not a git repository: {path}")
    return path


def _masked(text: str, access: Access | None) -> str:
    """Take every secret out of a text that goes to a client."""
    text = _USER_INFO.sub("", text)
    password = access.credentials.password if access is not None and access.credentials else ""
    return text.replace(password, "***") if password else text
