"""`/git/config` and `/git/credentials`: what git keeps in files for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.files import checked_path
from daytona_plugins.local.agent.git import INVALID_BODY, Text
from daytona_plugins.local.agent.git_errors import failure
from daytona_plugins.local.agent.git_program import GitProgram
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

SCOPES: Final = ("global", "local", "system")
STORE: Final = "store"


class SetConfigRequest(msgspec.Struct):
    """An option and its value."""

    key: Text
    value: str
    scope: str | None = None
    path: str | None = None


class ConfigureUserRequest(msgspec.Struct):
    """Whom commits made by programs in the sandbox are by."""

    name: Text
    email: Text
    scope: str | None = None
    path: str | None = None


class AuthenticateRequest(msgspec.Struct):
    """Credentials to keep."""

    username: Text
    password: Text
    host: str | None = None
    protocol: str | None = None


def add_git_settings(toolbox: Toolbox) -> None:
    """Answer for git's settings."""
    git = Settings(GitProgram(toolbox.reaper))
    router = toolbox.router
    router.add("GET", "/git/config", git.get)
    router.add("POST", "/git/config", git.set)
    router.add("POST", "/git/config/user", git.set_user)
    router.add("POST", "/git/credentials", git.keep_credentials)


class Settings:
    """Options of the user, of a repository, or of the whole sandbox."""

    def __init__(self, program: GitProgram) -> None:
        self._git = program

    async def get(self, request: Request) -> Response:
        """Say the value of an option, or null."""
        query = request.query
        key = query.first("key")
        if not key:
            raise bad_request("key is required")
        _check_key(key)
        scope, path = _place(query.first("scope"), query.first("path"))
        status, value, errors = await self._git.attempt("config", scope, "--null", "--get", key, path=path)
        if status and errors:
            raise failure(errors)
        return json_response({"value": None if status else value.removesuffix("\0")})

    async def set(self, request: Request) -> Response:
        """Set an option."""
        wanted = await read_json(request, SetConfigRequest, code=INVALID_BODY)
        await self._set(wanted.scope, wanted.path, wanted.key, wanted.value)
        return Response()

    async def set_user(self, request: Request) -> Response:
        """Set name and address at once."""
        wanted = await read_json(request, ConfigureUserRequest, code=INVALID_BODY)
        await self._set(wanted.scope, wanted.path, "user.name", wanted.name)
        await self._set(wanted.scope, wanted.path, "user.email", wanted.email)
        return Response()

    async def _set(self, scope: str | None, path: str | None, key: str, value: str) -> None:
        where, repository = _place(scope, path)
        _check_key(key)
        await self._git.run("config", where, "--replace-all", key, value, path=repository)

    async def keep_credentials(self, request: Request) -> Response:
        """Write credentials into the user's file, in plain text: that is what is asked for here."""
        wanted = await read_json(request, AuthenticateRequest, code=INVALID_BODY)
        facts = {
            "protocol": wanted.protocol or "https",
            "host": wanted.host or "github.com",
            "username": wanted.username,
            "password": wanted.password,
        }
        if any({"\n", "\r", "\0"} & set(value) for value in facts.values()):
            raise bad_request("credentials cannot hold line ends")
        await self._use_store()
        await self._git.run(
            "-c", "credential.helper=", "-c", f"credential.helper={STORE}", "credential", "approve",
            stdin="".join(f"{name}={value}\n" for name, value in facts.items()) + "\n",
        )  # fmt: skip
        return Response()

    async def _use_store(self) -> None:
        asked = ("config", "--global", "--get-all", "credential.helper")
        _, helpers, _ = await self._git.attempt(*asked)
        if STORE not in helpers.splitlines():
            await self._git.run("config", "--global", "--add", "credential.helper", STORE)


def _check_key(key: str) -> None:
    if key.startswith("-"):
        raise bad_request(f"invalid key: {key!r}")


def _place(scope: str | None, path: str | None) -> tuple[str, str | None]:
    """Return git's option for a scope, and the repository it needs."""
    scope = scope or "global"
    if scope not in SCOPES:
        raise bad_request(f"scope {scope!r} is none of {', '.join(SCOPES)}")
    if scope == "local" and not path:
        raise bad_request("the scope local needs the path of a repository")
    return f"--{scope}", checked_path(path) if path and scope == "local" else None
