"""Git in a sandbox; the bodies of its requests have snake_case keys, unlike the rest of the toolbox."""

from __future__ import annotations

from typing import ClassVar

from daytona.models._base import SAME_NAMES, Confidential, Model, Request
from daytona.models.enums import Status


class GitRequest(Request, frozen=True, rename=SAME_NAMES):
    """Asks for something in the repository at *path*."""

    path: str


class GitSecretRequest(GitRequest, Confidential, frozen=True):
    """The same, with credentials for the server."""

    username: str | None = None
    password: str | None = None

    _secrets: ClassVar[frozenset[str]] = frozenset({"password", "url"})


class GitAddRequest(GitRequest, frozen=True):
    """Stages files."""

    files: list[str]


class GitAddRemoteRequest(GitRequest, frozen=True):
    """Adds a remote; `fetch` and `overwrite` are always sent."""

    name: str
    url: str
    fetch: bool
    overwrite: bool


class GitAuthenticateRequest(Request, Confidential, frozen=True, rename=SAME_NAMES):
    """Stores credentials for a host."""

    username: str
    password: str
    host: str | None = None
    protocol: str | None = None

    _secrets: ClassVar[frozenset[str]] = frozenset({"password"})


class GitBranchRequest(GitRequest, frozen=True):
    """Makes a branch."""

    name: str


class GitDeleteBranchRequest(GitRequest, frozen=True):
    """Deletes a branch."""

    name: str


class GitCheckoutRequest(GitRequest, frozen=True):
    """Checks out a branch."""

    branch: str


class GitCloneRequest(GitSecretRequest, frozen=True, kw_only=True):
    """Clones a repository."""

    url: str
    branch: str | None = None
    commit_id: str | None = None
    depth: int | None = None
    insecure_skip_tls: bool | None = None


class GitCommitRequest(GitRequest, frozen=True):
    """Commits what is staged; `allow_empty` is always sent."""

    message: str
    author: str
    email: str
    allow_empty: bool


class GitConfigureUserRequest(Request, frozen=True, rename=SAME_NAMES):
    """Sets whom commits are by; `scope` is always sent."""

    name: str
    email: str
    scope: str
    path: str | None = None


class GitSetConfigRequest(Request, frozen=True, rename=SAME_NAMES):
    """Sets an option; `scope` is always sent."""

    key: str
    value: str
    scope: str
    path: str | None = None


class GitInitRequest(GitRequest, frozen=True):
    """Makes a repository; `bare` is always sent."""

    bare: bool
    initial_branch: str | None = None


class GitFetchRequest(GitSecretRequest, frozen=True, kw_only=True):
    """Learns what a remote has; our extension."""

    prune: bool
    branch: str | None = None
    remote: str | None = None


class GitDiffResponse(Model, frozen=True):
    """How files differ, as a patch; our extension."""

    diff: str = ""


class GitPullRequest(GitSecretRequest, frozen=True):
    """Pulls from a remote."""

    branch: str | None = None
    remote: str | None = None


class GitPushRequest(GitSecretRequest, frozen=True, kw_only=True):
    """Pushes to a remote; `set_upstream` is always sent."""

    set_upstream: bool
    branch: str | None = None
    remote: str | None = None


class GitResetRequest(GitRequest, frozen=True):
    """Moves the branch, the index or the work tree to a commit."""

    mode: str | None = None
    target: str | None = None
    files: list[str] | None = None


class GitRestoreRequest(GitRequest, frozen=True):
    """Restores files."""

    files: list[str]
    source: str | None = None
    staged: bool | None = None
    worktree: bool | None = None


class GitCommitReply(Model, frozen=True):
    """The commit that was made."""

    hash: str


class GitCommitResponse(Model, frozen=True):
    """The commit that was made."""

    sha: str


class GitConfigResponse(Model, frozen=True):
    """The value of an option, if it has one."""

    value: str | None = None


class GitRemote(Model, frozen=True):
    """A repository elsewhere."""

    name: str
    url: str = ""


class ListRemotesResponse(Model, frozen=True):
    """The remotes of a repository."""

    remotes: list[GitRemote] = []


class FileStatus(Model, frozen=True):
    """What git says of one file."""

    name: str
    extra: str = ""
    staging: Status | None = None
    worktree: Status | None = None


class GitStatus(Model, frozen=True):
    """What git says of a work tree."""

    current_branch: str = ""
    file_status: list[FileStatus] = []
    ahead: int | None = None
    behind: int | None = None
    branch_published: bool | None = None
    detached: bool | None = None
    upstream: str | None = None


class ListBranchResponse(Model, frozen=True):
    """The branches of a repository."""

    branches: list[str] = []
    current: str | None = None


class GitCommitInfo(Model, frozen=True):
    """A commit."""

    hash: str
    author: str = ""
    email: str = ""
    message: str = ""
    timestamp: str = ""
