"""`/git` and other machines: clone, fetch, pull and push, and the names that remotes have here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request, from_os_error
from daytona_plugins.local.agent.files import checked_path, make_directories
from daytona_plugins.local.agent.git import INVALID_BODY, Text, refuse_existing, repository_parameter
from daytona_plugins.local.agent.git_errors import failure
from daytona_plugins.local.agent.git_program import Access, Credentials, GitProgram
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Generator

    from daytona_plugins.local.agent.toolbox import Toolbox

DEFAULT_REMOTE: Final = "origin"
EVERY_BRANCH: Final = f"+refs/heads/*:refs/remotes/{DEFAULT_REMOTE}/*"
_USER_INFO: Final = re.compile(r"(https?://)(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(.*)", re.IGNORECASE | re.DOTALL)
_HOST_AND_PATH: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?/.+")
_REMOTE_KEY: Final = re.compile(r"remote\.(.*)\.url", re.DOTALL)


class CloneRequest(msgspec.Struct):
    """What to clone, and where to."""

    url: Text
    path: Text
    branch: str | None = None
    commit_id: str | None = None
    username: str | None = None
    password: str | None = None
    insecure_skip_tls: bool | None = None
    depth: Annotated[int, msgspec.Meta(ge=0)] | None = None


class TransferRequest(msgspec.Struct):
    """What to exchange with which remote."""

    path: Text
    remote: str | None = None
    branch: str | None = None
    username: str | None = None
    password: str | None = None
    set_upstream: bool | None = None
    prune: bool | None = None


class RemoteRequest(msgspec.Struct):
    """A name for a repository elsewhere."""

    path: Text
    name: Text
    url: Text
    fetch: bool | None = None
    overwrite: bool | None = None


def add_git_remote(toolbox: Toolbox) -> None:
    """Answer for exchanges with other repositories."""
    git = Remotes(GitProgram(toolbox.reaper))
    router = toolbox.router
    router.add("POST", "/git/clone", git.clone)
    router.add("POST", "/git/fetch", git.fetch)
    router.add("POST", "/git/pull", git.pull)
    router.add("POST", "/git/push", git.push)
    router.add("GET", "/git/remotes", git.remotes)
    router.add("POST", "/git/remotes", git.add)


class Remotes:
    """The operations that talk to servers."""

    def __init__(self, program: GitProgram) -> None:
        self._git = program

    # -- Clone ----------------------------------------------------------------------------------------------------

    async def clone(self, request: Request) -> Response:
        """Clone one branch into a directory, which may hold other files; a failed clone leaves nothing."""
        wanted = await read_json(request, CloneRequest, code=INVALID_BODY)
        path = checked_path(wanted.path)
        refuse_existing(path)
        url, access = _source(wanted)
        with _staging(path) as staging:
            await self._fetch_into(staging, url, wanted, access)
            commit = await self._find_commit(staging, wanted, access)
            await asyncio.to_thread(os.rename, os.path.join(staging, ".git"), os.path.join(path, ".git"))
        await self._git.run("reset", "--quiet", "--hard", path=path)
        if commit:
            await self._git.run("checkout", "--quiet", "--detach", commit, path=path)
        return Response()

    async def _fetch_into(self, staging: str, url: str, wanted: CloneRequest, access: Access) -> None:
        branch = [f"--branch={wanted.branch}"] if wanted.branch else []
        depth = [f"--depth={wanted.depth}"] if wanted.depth else []
        options = ("--quiet", "--no-checkout", "--single-branch", *branch, *depth)
        await self._git.run("clone", *options, "--", url, staging, access=access)
        if not await self._git.succeeds("rev-parse", "--quiet", "--verify", "HEAD", path=staging):
            raise failure("remote repository is empty")
        # Later fetches shall see the other branches too, and new ones shall find their upstream.
        await self._git.run(
            "config", "--replace-all", f"remote.{DEFAULT_REMOTE}.fetch", EVERY_BRANCH, path=staging
        )

    async def _find_commit(self, path: str, wanted: CloneRequest, access: Access) -> str | None:
        """Return the commit asked for; one that is not in the branch, or deeper than the clone, is fetched by itself."""
        if not wanted.commit_id:
            return None
        asked = ("rev-parse", "--quiet", "--verify", f"{wanted.commit_id}^{{commit}}")
        status, found, _ = await self._git.attempt(*asked, path=path)
        if status == 0 and not wanted.commit_id.startswith("-"):
            return found.strip()
        depth = [f"--depth={wanted.depth}"] if wanted.depth else []
        fetch = ("fetch", "--quiet", *depth, "--", DEFAULT_REMOTE, wanted.commit_id)
        status, _, errors = await self._git.attempt(*fetch, path=path, access=access)
        if status:
            raise HTTPError(
                404, f"not found: commit {wanted.commit_id}: {errors.strip()}", code="GIT_BRANCH_NOT_FOUND"
            )
        return wanted.commit_id

    # -- Exchange -------------------------------------------------------------------------------------------------

    async def fetch(self, request: Request) -> Response:
        """Bring the branches of a remote up to date here, without touching any of ours."""
        wanted = await read_json(request, TransferRequest, code=INVALID_BODY)
        path, remote = _transfer(wanted)
        access = await self._access(path, remote, wanted)
        prune = ["--prune"] if wanted.prune else []
        # In full, so that it is found again whatever the clone was limited to.
        branch = (
            [f"+refs/heads/{wanted.branch}:refs/remotes/{remote}/{wanted.branch}"] if wanted.branch else []
        )
        await self._git.run("fetch", "--quiet", *prune, "--", remote, *branch, path=path, access=access)
        return Response()

    async def pull(self, request: Request) -> Response:
        """Move the current branch forward to where the remote's is."""
        wanted = await read_json(request, TransferRequest, code=INVALID_BODY)
        path, remote = _transfer(wanted)
        access = await self._access(path, remote, wanted)
        branch = wanted.branch or await self._followed_branch(path, remote)
        options = ("--quiet", "--ff-only", "--no-rebase", "--no-recurse-submodules")
        await self._git.run("pull", *options, "--", remote, f"refs/heads/{branch}", path=path, access=access)
        return Response()

    async def push(self, request: Request) -> Response:
        """Move the remote's branch forward to where ours is."""
        wanted = await read_json(request, TransferRequest, code=INVALID_BODY)
        path, remote = _transfer(wanted)
        access = await self._access(path, remote, wanted, push=True)
        branch = wanted.branch or await self._current_branch(path)
        upstream = ["--set-upstream"] if wanted.set_upstream else []
        refs = f"refs/heads/{branch}:refs/heads/{branch}"
        await self._git.run("push", "--porcelain", *upstream, "--", remote, refs, path=path, access=access)
        return Response()

    async def _access(self, path: str, remote: str, wanted: TransferRequest, *, push: bool = False) -> Access:
        """Return the credentials, bound to the server that git will talk to."""
        side = ["--push"] if push else []
        url = (await self._git.run("remote", "get-url", *side, "--", remote, path=path)).strip()
        return Access(_without_user_info(url)[0], _credentials(wanted.username, wanted.password))

    async def _current_branch(self, path: str) -> str:
        branch = (await self._git.run("branch", "--show-current", path=path)).strip()
        if not branch:
            raise bad_request("HEAD is detached; name a branch")
        return branch

    async def _followed_branch(self, path: str, remote: str) -> str:
        """Return the remote's branch that the current one follows, or else the one of the same name."""
        branch = await self._current_branch(path)
        _, followed, _ = await self._git.attempt("config", "--get", f"branch.{branch}.remote", path=path)
        if followed.strip() != remote:
            return branch
        _, merged, _ = await self._git.attempt("config", "--get", f"branch.{branch}.merge", path=path)
        return merged.strip().removeprefix("refs/heads/") or branch

    # -- Names ----------------------------------------------------------------------------------------------------

    async def remotes(self, request: Request) -> Response:
        """List the remotes."""
        return json_response({"remotes": await self._remotes(repository_parameter(request))})

    async def add(self, request: Request) -> Response:
        """Give a repository a name, and with `fetch` look at what is in it."""
        wanted = await read_json(request, RemoteRequest, code=INVALID_BODY)
        path, url = checked_path(wanted.path), remote_url(wanted.url)
        if _without_user_info(url)[1] is not None:
            raise bad_request(
                "the URL holds a password, which would stay in the repository; give it to each call"
            )
        if any(remote["name"] == wanted.name for remote in await self._remotes(path)):
            if not wanted.overwrite:
                raise HTTPError(409, f"conflict: remote {wanted.name} already exists", code="CONFLICT")
            await self._git.run("remote", "remove", "--", wanted.name, path=path)
        await self._git.run("remote", "add", "--", wanted.name, url, path=path)
        if wanted.fetch:
            await self._git.run("fetch", "--quiet", "--", wanted.name, path=path)
        return Response(201)

    async def _remotes(self, path: str) -> list[dict[str, str]]:
        pattern = ("config", "--null", "--get-regexp", r"^remote\..*\.url$")
        await self._git.run("rev-parse", "--git-dir", path=path)
        _, text, _ = await self._git.attempt(*pattern, path=path)  # it fails when nothing fits
        urls: dict[str, str] = {}
        for entry in text.split("\0")[:-1]:
            key, _, url = entry.partition("\n")
            if name := _REMOTE_KEY.fullmatch(key):
                urls.setdefault(name[1], url)
        return [{"name": name, "url": url} for name, url in urls.items()]


def _transfer(wanted: TransferRequest) -> tuple[str, str]:
    remote = wanted.remote or DEFAULT_REMOTE
    return checked_path(wanted.path), remote


def _source(wanted: CloneRequest) -> tuple[str, Access]:
    """Return an address without credentials, and the way there with them."""
    url, found = _without_user_info(remote_url(wanted.url))
    credentials = _credentials(wanted.username, wanted.password) or found
    return url, Access(url, credentials, skip_tls=bool(wanted.insecure_skip_tls))


def _credentials(username: str | None, password: str | None) -> Credentials | None:
    """Like the real daemon, use them only when both are given."""
    return Credentials(username, password) if username and password else None


def _without_user_info(url: str) -> tuple[str, Credentials | None]:
    """Take the credentials out of an HTTP address; a user name alone may stay."""
    found = _USER_INFO.fullmatch(url)
    if found is None or not found[3]:
        return url, None
    return found[1] + found[4], Credentials(unquote(found[2] or ""), unquote(found[3]))


def remote_url(text: str) -> str:
    """Return what git understands: an address, a local path, or `https://` before a host and a path."""
    if "://" not in text and not os.path.exists(text) and _HOST_AND_PATH.fullmatch(text):
        return f"https://{text}"
    return text


@contextlib.contextmanager
def _staging(path: str) -> Generator[str]:
    """Make *path* and yield a directory in it; after an error remove what was made, and the directory in any case."""
    existed = os.path.isdir(path)
    try:
        make_directories(path, 0o755)
        staging = tempfile.mkdtemp(prefix=".clone-", dir=path)
    except OSError as error:
        raise from_os_error(error, path) from error
    try:
        yield staging
    except BaseException:
        shutil.rmtree(staging if existed else path, ignore_errors=True)
        raise
    shutil.rmtree(staging, ignore_errors=True)
