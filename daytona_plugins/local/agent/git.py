"""`/git`: what can be done inside one repository, with the real git.

Where the real daemon's library departs from git (a failed checkout that moves HEAD or falls back to master, lost staged
changes, deletable current branch), git's own behaviour holds.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request, printable
from daytona_plugins.local.agent.files import checked_path
from daytona_plugins.local.agent.git_errors import failure
from daytona_plugins.local.agent.git_program import GitProgram
from daytona_plugins.local.agent.git_status import COMMAND, parse_status
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daytona_plugins.local.agent.toolbox import Toolbox

INVALID_BODY: Final = "INVALID_REQUEST_BODY"
RESET_MODES: Final = ("soft", "mixed", "hard", "merge", "keep")
LOG_FORMAT: Final = "--format=%H%x00%an%x00%ae%x00%aI%x00%B"
_HASH: Final = re.compile(r"[0-9a-fA-F]{4,64}")

Text = Annotated[str, msgspec.Meta(min_length=1)]


class AddRequest(msgspec.Struct):
    """What to stage."""

    path: Text
    files: list[str]


class CommitRequest(msgspec.Struct):
    """What a commit says, and whose it is."""

    path: Text
    message: Text
    author: Text
    email: Text
    allow_empty: bool = False


class BranchRequest(msgspec.Struct):
    """A branch to make or delete."""

    path: Text
    name: Text


class CheckoutRequest(msgspec.Struct):
    """A branch or commit to check out."""

    path: Text
    branch: Text


class InitRequest(msgspec.Struct):
    """A repository to make."""

    path: Text
    bare: bool | None = None
    initial_branch: str | None = None


class ResetRequest(msgspec.Struct):
    """Where to put the branch, or which files to take out of the index."""

    path: Text
    mode: str | None = None
    target: str | None = None
    files: list[str] | None = None


class RestoreRequest(msgspec.Struct):
    """Which files to bring back, where to, and from which commit."""

    path: Text
    files: Annotated[list[str], msgspec.Meta(min_length=1)]
    staged: bool | None = None
    worktree: bool | None = None
    source: str | None = None


def add_git(toolbox: Toolbox) -> None:
    """Answer for repositories."""
    git = Repositories(GitProgram(toolbox.reaper))
    router = toolbox.router
    router.add("POST", "/git/init", git.init)
    router.add("GET", "/git/status", git.status)
    router.add("GET", "/git/diff", git.diff)
    router.add("POST", "/git/add", git.add)
    router.add("POST", "/git/commit", git.commit)
    router.add("GET", "/git/history", git.history)
    router.add("GET", "/git/branches", git.branches)
    router.add("POST", "/git/branches", git.create_branch)
    router.add("DELETE", "/git/branches", git.delete_branch)
    router.add("POST", "/git/checkout", git.checkout)
    router.add("POST", "/git/reset", git.reset)
    router.add("POST", "/git/restore", git.restore)


def repository_parameter(request: Request) -> str:
    """Return the repository that the query names."""
    path = request.query.first("path")
    if not path:
        raise bad_request("path is required")
    return checked_path(path)


class Repositories:
    """The operations that need no server."""

    def __init__(self, program: GitProgram) -> None:
        self._git = program

    # -- Looking --------------------------------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        """Say what is checked out, and which files differ."""
        status = parse_status(await self._git.run(*COMMAND, path=repository_parameter(request)))
        if status is None:
            raise HTTPError(404, "not found: reference not found: there are no commits yet", code="NOT_FOUND")
        return json_response(status)

    async def diff(self, request: Request) -> Response:
        """Say how files differ: from the index, in it (`staged`), or from a commit (`target`)."""
        path, query = repository_parameter(request), request.query
        staged = ["--cached"] if query.first("staged") == "true" else []
        target = query.first("target")
        against = [await self._commit_of(path, target)] if target else []
        files = query.all("files")
        text = await self._git.run(
            "diff", "--no-color", "--no-ext-diff", *staged, *against, "--", *files, path=path
        )
        return json_response({"diff": text})

    async def history(self, request: Request) -> Response:
        """List the commits that lead to HEAD, newest first."""
        text = await self._git.run(
            "log", "-z", "--encoding=UTF-8", LOG_FORMAT, path=repository_parameter(request)
        )
        fields = text.removesuffix("\0").split("\0")
        names = ("hash", "author", "email", "timestamp", "message")
        commits = [dict(zip(names, fields[at : at + 5], strict=True)) for at in range(0, len(fields), 5)]
        return json_response(commits)

    async def branches(self, request: Request) -> Response:
        """List the local branches."""
        path = repository_parameter(request)
        text = await self._git.run("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", path=path)
        current = (await self._git.run("branch", "--show-current", path=path)).strip()
        answer: dict[str, object] = {"branches": text.splitlines()}
        return json_response(answer | ({"current": current} if current else {}))

    # -- Recording ------------------------------------------------------------------------------------------------

    async def init(self, request: Request) -> Response:
        """Make a repository."""
        wanted = await read_json(request, InitRequest, code=INVALID_BODY)
        path = checked_path(wanted.path)
        refuse_existing(path)
        if wanted.initial_branch:
            await self._check_name(wanted.initial_branch)
        branch = [f"--initial-branch={wanted.initial_branch}"] if wanted.initial_branch else []
        bare = ["--bare"] if wanted.bare else []
        await self._git.run("init", "--quiet", *bare, *branch, "--", path)
        return Response(201)

    async def add(self, request: Request) -> Response:
        """Stage files: all changes below a directory, or a file even if it is ignored."""
        wanted = await read_json(request, AddRequest, code=INVALID_BODY)
        root = checked_path(wanted.path)
        directories, files = _split(root, wanted.files)
        await self._check_repository(root)
        for names, force in ((files, ["--force"]), (directories, [])):
            if names:
                await self._git.run("add", "--all", *force, *_FROM_STDIN, path=root, stdin=_names(names))
        return Response()

    async def commit(self, request: Request) -> Response:
        """Record what is staged, as the given author, with the message as it is."""
        wanted = await read_json(request, CommitRequest, code=INVALID_BODY)
        path = checked_path(wanted.path)
        if not wanted.allow_empty:
            await self._refuse_empty(path)
        await self._git.run(
            "commit", "--quiet", "--file=-", "--cleanup=verbatim", "--no-verify", "--allow-empty",
            path=path,
            stdin=wanted.message,
            variables=_signature(wanted.author, wanted.email),
        )  # fmt: skip
        commit = (await self._git.run("rev-parse", "HEAD", path=path)).strip()
        return json_response({"hash": commit})

    async def _refuse_empty(self, path: str) -> None:
        """A merge may be without changes of its own."""
        status, _, errors = await self._git.attempt("diff", "--cached", "--quiet", path=path)
        if status > 1:
            raise failure(errors)
        merging = ("rev-parse", "--quiet", "--verify", "MERGE_HEAD")
        if status == 0 and not await self._git.succeeds(*merging, path=path):
            raise bad_request("cannot create empty commit: clean working tree")

    # -- Branches -------------------------------------------------------------------------------------------------

    async def create_branch(self, request: Request) -> Response:
        """Make a branch from HEAD and check it out; changes stay in the work tree."""
        wanted = await read_json(request, BranchRequest, code=INVALID_BODY)
        path = checked_path(wanted.path)
        await self._check_repository(path)
        await self._check_name(wanted.name)
        await self._git.run("switch", "--quiet", "--no-track", "--create", wanted.name, path=path)
        return Response(201)

    async def delete_branch(self, request: Request) -> Response:
        """Delete a branch, merged or not, unless it is checked out."""
        wanted = await read_json(request, BranchRequest, code=INVALID_BODY)
        await self._git.run("branch", "--quiet", "-D", "--", wanted.name, path=checked_path(wanted.path))
        return Response(204)

    async def checkout(self, request: Request) -> Response:
        """Check out a local branch, else one that only a remote has, else a commit or tag without a branch."""
        wanted = await read_json(request, CheckoutRequest, code=INVALID_BODY)
        path, name = checked_path(wanted.path), wanted.branch
        await self._check_repository(path)
        if not await self._is_branch(path, f"refs/heads/{name}") and (
            _HASH.fullmatch(name) or not await self._is_on_a_remote(path, name)
        ):
            await self._git.run("switch", "--quiet", "--detach", await self._commit_of(path, name), path=path)
        else:
            await self._git.run("switch", "--quiet", "--guess", name, path=path)
        return Response()

    async def _is_branch(self, path: str, reference: str) -> bool:
        return await self._git.succeeds("show-ref", "--verify", "--quiet", reference, path=path)

    async def _is_on_a_remote(self, path: str, name: str) -> bool:
        if not await self._git.succeeds("check-ref-format", f"refs/heads/{name}"):
            return False
        found = await self._git.run("for-each-ref", f"refs/remotes/*/{name}", path=path)
        return bool(found)

    async def _check_name(self, name: str) -> None:
        if name.startswith("-") or not await self._git.succeeds("check-ref-format", f"refs/heads/{name}"):
            raise bad_request(f"invalid reference name: {name!r}")

    # -- Going back -----------------------------------------------------------------------------------------------

    async def reset(self, request: Request) -> Response:
        """Put the branch at another commit, or take files out of the index."""
        wanted = await read_json(request, ResetRequest, code=INVALID_BODY)
        path, mode = checked_path(wanted.path), wanted.mode or "mixed"
        if mode not in RESET_MODES:
            raise bad_request(f"mode {mode!r} is none of {', '.join(RESET_MODES)}")
        if wanted.files and mode != "mixed":
            raise bad_request(f"files cannot be reset with mode {mode!r}; only the mode mixed takes files")
        target = [await self._commit_of(path, wanted.target)] if wanted.target else []
        if wanted.files:
            names = _names(wanted.files)
            await self._git.run("reset", "--quiet", *_FROM_STDIN, *target, path=path, stdin=names)
        else:
            await self._git.run("reset", "--quiet", f"--{mode}", *target, path=path)
        return Response()

    async def restore(self, request: Request) -> Response:
        """Bring files back, in the work tree unless only `staged` is asked for."""
        wanted = await read_json(request, RestoreRequest, code=INVALID_BODY)
        path = checked_path(wanted.path)
        where = _restored(wanted)
        if not where:
            raise bad_request("neither staged nor worktree is to be restored")
        source = [f"--source={await self._commit_of(path, wanted.source)}"] if wanted.source else []
        names = _names(wanted.files)
        await self._git.run("restore", "--quiet", *where, *source, *_FROM_STDIN, path=path, stdin=names)
        return Response()

    async def _commit_of(self, path: str, name: str) -> str:
        """Return the full hash of a commit named in any way git knows."""
        asked = ("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        status, output, errors = await self._git.attempt(*asked, path=path)
        if name.startswith("-") or status:
            if "not a git repository" in errors:
                raise failure(errors)
            raise HTTPError(
                404,
                f"not found: {printable(name)!r} is no branch or commit here",
                code="GIT_BRANCH_NOT_FOUND",
            )
        return output.strip()

    async def _check_repository(self, path: str) -> None:
        await self._git.run("rev-parse", "--git-dir", path=path)


# Names come in through the standard input: there may be more of them than fit into arguments.
_FROM_STDIN: Final = ("--pathspec-from-file=-", "--pathspec-file-nul")


def _names(names: Sequence[str]) -> str:
    return "".join(f"{checked_path(name)}\0" for name in names)


def _split(root: str, names: list[str]) -> tuple[list[str], list[str]]:
    """Return which of the names are directories here, and which are not."""
    directories = [name for name in names if os.path.isdir(os.path.join(root, name))]
    return directories, [name for name in names if name not in directories]


def _restored(wanted: RestoreRequest) -> list[str]:
    worktree = wanted.worktree if wanted.worktree is not None else not wanted.staged
    return ["--staged"] * bool(wanted.staged) + ["--worktree"] * worktree


def _signature(name: str, email: str) -> dict[str, str]:
    roles = ("AUTHOR", "COMMITTER")
    names = {f"GIT_{role}_NAME": name for role in roles}
    return names | {f"GIT_{role}_EMAIL": email for role in roles}


def refuse_existing(path: str) -> None:
    """Refuse a place that holds a repository already."""
    bare = all(os.path.exists(os.path.join(path, name)) for name in ("HEAD", "objects", "refs"))
    if bare or os.path.lexists(os.path.join(path, ".git")):
        raise HTTPError(409, f"conflict: repository already exists: {printable(path)}", code="CONFLICT")
