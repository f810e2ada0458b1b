"""Git repositories in a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DaytonaNotFoundError, DaytonaNotSupportedError
from ..models.git import (
    GitAddRemoteRequest,
    GitAddRequest,
    GitAuthenticateRequest,
    GitBranchRequest,
    GitCheckoutRequest,
    GitCloneRequest,
    GitCommitInfo,
    GitCommitReply,
    GitCommitRequest,
    GitCommitResponse,
    GitConfigResponse,
    GitConfigureUserRequest,
    GitDeleteBranchRequest,
    GitDiffResponse,
    GitFetchRequest,
    GitInitRequest,
    GitPullRequest,
    GitPushRequest,
    GitResetRequest,
    GitRestoreRequest,
    GitSetConfigRequest,
    GitStatus,
    ListBranchResponse,
    ListRemotesResponse,
)
from ..service import AsyncService, operation

if TYPE_CHECKING:
    from ..models._base import Request
    from ..protocols.rest import QueryValue

__all__ = ["AsyncGit"]


class AsyncGit(AsyncService):
    """The git repositories of one sandbox. A *path* is the top directory of a repository's working tree.

    Credentials passed to a method are used for that call only and are not stored.
    """

    # -- Other repositories ---------------------------------------------------------------------------------------

    @operation("Failed to clone repository: ")
    async def clone(
        self,
        url: str,
        path: str,
        branch: str | None = None,
        commit_id: str | None = None,
        username: str | None = None,
        password: str | None = None,
        insecure_skip_tls: bool | None = None,
        depth: int | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Clone one branch of a repository.

        Args:
            url: Address of the repository.
            path: Directory to clone it into.
            branch: The branch; None means the server's default.
            commit_id: Check out this commit with a detached HEAD.
            username: For the server.
            password: For the server; a token works as well.
            insecure_skip_tls: Do not check the server's certificate.
            depth: How many commits to fetch; None means all.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaGitAuthFailedError: The server requires credentials, or rejected these.
            DaytonaGitRepoNotFoundError: There is no such repository, or it is empty.
            DaytonaGitBranchNotFoundError: It has no such branch or commit.
            DaytonaConflictError: There already is a repository at *path*.
        """
        body = GitCloneRequest(
            url=url,
            path=path,
            branch=branch,
            commit_id=commit_id,
            username=username,
            password=password,
            insecure_skip_tls=insecure_skip_tls,
            depth=depth,
        )
        await self._post("/git/clone", body, request_timeout)

    @operation("Failed to fetch: ")
    async def fetch(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        prune: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Fetch the current state of a remote; local branches and files are not changed.

        Args:
            path: The repository.
            username: For the server.
            password: For the server.
            branch: Only this branch, even one that the clone left out; None means what the remote is configured for.
            remote: The remote; None means "origin".
            prune: Remove tracking branches that no longer exist on the remote.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaNotSupportedError: The server is older than this operation.
        """
        body = GitFetchRequest(
            path=path, username=username, password=password, branch=branch, remote=remote, prune=prune
        )
        try:
            await self._post("/git/fetch", body, request_timeout)
        except DaytonaNotFoundError as error:
            _tell_if_unknown(error, "fetch")
            raise

    @operation("Failed to pull changes: ")
    async def pull(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Fast-forward the current branch to the one of the remote.

        Raises:
            DaytonaConflictError: The branches have diverged, or local changes are in the way.
        """
        body = GitPullRequest(path=path, username=username, password=password, branch=branch, remote=remote)
        await self._post("/git/pull", body, request_timeout)

    @operation("Failed to push changes: ")
    async def push(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        set_upstream: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Push a branch to a remote, creating it there if necessary.

        Args:
            path: The repository.
            username: For the server.
            password: For the server.
            branch: The branch; None means the current one.
            remote: The remote; None means "origin".
            set_upstream: Make the local branch track the one on the remote.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaGitPushRejectedError: The remote has commits that the local branch does not have.
        """
        body = GitPushRequest(
            path=path,
            username=username,
            password=password,
            branch=branch,
            remote=remote,
            set_upstream=set_upstream,
        )
        await self._post("/git/push", body, request_timeout)

    @operation("Failed to add remote: ")
    async def remote_add(
        self,
        path: str,
        name: str,
        url: str,
        fetch: bool = False,
        overwrite: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Add a remote; with *fetch*, fetch from it at once.

        Raises:
            DaytonaConflictError: The name is taken, and *overwrite* is false.
        """
        body = GitAddRemoteRequest(path=path, name=name, url=url, fetch=fetch, overwrite=overwrite)
        await self._post("/git/remotes", body, request_timeout)

    @operation("Failed to list remotes: ")
    async def remotes(self, path: str, request_timeout: float | None = None) -> ListRemotesResponse:
        """Return the names and URLs of all remotes."""
        return await self._remotes(path, request_timeout)

    @operation("Failed to get remote: ")
    async def remote_get(self, path: str, name: str, request_timeout: float | None = None) -> str | None:
        """Return the URL of a remote, or None if there is no remote with this name."""
        found = (await self._remotes(path, request_timeout)).remotes
        return next((remote.url for remote in found if remote.name == name), None)

    async def _remotes(self, path: str, timeout: float | None) -> ListRemotesResponse:
        return await self._api.call(
            "GET", "/git/remotes", query={"path": path}, into=ListRemotesResponse, timeout=timeout
        )

    # -- One repository -------------------------------------------------------------------------------------------

    @operation("Failed to initialize repository: ")
    async def init(
        self,
        path: str,
        bare: bool = False,
        initial_branch: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Create an empty repository.

        Raises:
            DaytonaConflictError: There already is one.
        """
        body = GitInitRequest(path=path, bare=bare, initial_branch=initial_branch)
        await self._post("/git/init", body, request_timeout)

    @operation("Failed to get status: ")
    async def status(self, path: str, request_timeout: float | None = None) -> GitStatus:
        """Return what is checked out and which files differ from the last commit.

        Raises:
            DaytonaNotFoundError: There is no repository, or no commit in it yet.
        """
        return await self._api.call(
            "GET", "/git/status", query={"path": path}, into=GitStatus, timeout=request_timeout
        )

    @operation("Failed to get diff: ")
    async def diff(
        self, path: str, staged: bool = False, target: str | None = None, request_timeout: float | None = None
    ) -> str:
        """Return how files differ, as a patch.

        Args:
            path: The repository.
            staged: Show staged changes instead of those in the working tree.
            target: Compare with this commit instead of the index or, with *staged*, HEAD.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaNotSupportedError: The server is older than this operation.
        """
        query: dict[str, QueryValue] = {"path": path, "staged": staged, "target": target}
        try:
            reply = await self._api.call(
                "GET", "/git/diff", query=query, into=GitDiffResponse, timeout=request_timeout
            )
        except DaytonaNotFoundError as error:
            _tell_if_unknown(error, "diff")
            raise
        return reply.diff

    @operation("Failed to get history: ")
    async def history(self, path: str, request_timeout: float | None = None) -> list[GitCommitInfo]:
        """Return the history of the current commit, newest first."""
        return await self._api.call(
            "GET", "/git/history", query={"path": path}, into=list[GitCommitInfo], timeout=request_timeout
        )

    @operation("Failed to add files: ")
    async def add(self, path: str, files: list[str], request_timeout: float | None = None) -> None:
        """Stage files, given by paths relative to the repository; "." means all changes.

        Raises:
            DaytonaNotFoundError: There is no such file, not even a deleted one.
        """
        await self._post("/git/add", GitAddRequest(path=path, files=files), request_timeout)

    @operation("Failed to commit changes: ")
    async def commit(
        self,
        path: str,
        message: str,
        author: str,
        email: str,
        allow_empty: bool = False,
        request_timeout: float | None = None,
    ) -> GitCommitResponse:
        """Commit the staged changes and return the new commit.

        Raises:
            DaytonaError: Nothing is staged, and *allow_empty* is false.
        """
        body = GitCommitRequest(
            path=path, message=message, author=author, email=email, allow_empty=allow_empty
        )
        reply = await self._api.call(
            "POST", "/git/commit", json=body, into=GitCommitReply, timeout=request_timeout
        )
        return GitCommitResponse(sha=reply.hash)

    @operation("Failed to reset: ")
    async def reset(
        self,
        path: str,
        mode: str | None = None,
        target: str | None = None,
        files: list[str] | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Reset the current branch to another commit, or unstage files.

        Args:
            path: The repository.
            mode: soft, mixed (the default), hard, merge or keep.
            target: The commit; None means HEAD.
            files: Only unstage these files.
            request_timeout: Seconds until the call fails.
        """
        body = GitResetRequest(path=path, mode=mode, target=target, files=files)
        await self._post("/git/reset", body, request_timeout)

    @operation("Failed to restore files: ")
    async def restore(
        self,
        path: str,
        files: list[str],
        staged: bool | None = None,
        worktree: bool | None = None,
        source: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Restore files to an earlier state.

        Args:
            path: The repository.
            files: The files.
            staged: Restore them in the index.
            worktree: Restore them in the working tree; the default unless *staged* is given.
            source: The commit to restore from; None means the index or, with *staged*, HEAD.
            request_timeout: Seconds until the call fails.
        """
        body = GitRestoreRequest(path=path, files=files, staged=staged, worktree=worktree, source=source)
        await self._post("/git/restore", body, request_timeout)

    # -- Branches -------------------------------------------------------------------------------------------------

    @operation("Failed to list branches: ")
    async def branches(self, path: str, request_timeout: float | None = None) -> ListBranchResponse:
        """Return the local branches."""
        return await self._api.call(
            "GET", "/git/branches", query={"path": path}, into=ListBranchResponse, timeout=request_timeout
        )

    @operation("Failed to create branch: ")
    async def create_branch(self, path: str, name: str, request_timeout: float | None = None) -> None:
        """Create a branch at HEAD and check it out.

        Raises:
            DaytonaGitBranchExistsError: A branch with this name exists.
        """
        await self._post("/git/branches", GitBranchRequest(path=path, name=name), request_timeout)

    @operation("Failed to checkout branch: ")
    async def checkout_branch(self, path: str, branch: str, request_timeout: float | None = None) -> None:
        """Check out a branch, or a commit by its hash.

        Raises:
            DaytonaGitBranchNotFoundError: There is neither.
            DaytonaGitDirtyWorktreeError: Changes would be lost.
        """
        await self._post("/git/checkout", GitCheckoutRequest(path=path, branch=branch), request_timeout)

    @operation("Failed to delete branch: ")
    async def delete_branch(self, path: str, name: str, request_timeout: float | None = None) -> None:
        """Delete a local branch, merged or not."""
        body = GitDeleteBranchRequest(path=path, name=name)
        await self._api.call("DELETE", "/git/branches", json=body, timeout=request_timeout)

    # -- Settings -------------------------------------------------------------------------------------------------

    @operation("Failed to set config: ")
    async def set_config(
        self,
        key: str,
        value: str,
        scope: str = "global",
        path: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Set an option, such as "pull.rebase".

        Args:
            key: Its name.
            value: Its value.
            scope: global (for the user), local (for one repository) or system (for everybody).
            path: The repository, for the scope local.
            request_timeout: Seconds until the call fails.
        """
        body = GitSetConfigRequest(key=key, value=value, scope=scope, path=path)
        await self._post("/git/config", body, request_timeout)

    @operation("Failed to get config: ")
    async def get_config(
        self, key: str, scope: str = "global", path: str | None = None, request_timeout: float | None = None
    ) -> str | None:
        """Return the value of an option in one scope, or None."""
        query = {"key": key, "path": path, "scope": scope}
        reply = await self._api.call(
            "GET", "/git/config", query=query, into=GitConfigResponse, timeout=request_timeout
        )
        return reply.value

    @operation("Failed to configure user: ")
    async def configure_user(
        self,
        name: str,
        email: str,
        scope: str = "global",
        path: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Set the author of commits that programs in the sandbox make."""
        body = GitConfigureUserRequest(name=name, email=email, scope=scope, path=path)
        await self._post("/git/config/user", body, request_timeout)

    @operation("Failed to authenticate: ")
    async def dangerously_authenticate(
        self,
        username: str,
        password: str,
        host: str | None = None,
        protocol: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Store credentials for a host in the sandbox, in plain text that every program in it can read.

        Args:
            username: For the server.
            password: For the server.
            host: The server; None means github.com.
            protocol: None means https.
            request_timeout: Seconds until the call fails.
        """
        body = GitAuthenticateRequest(username=username, password=password, host=host, protocol=protocol)
        await self._post("/git/credentials", body, request_timeout)

    async def _post(self, path: str, body: Request, timeout: float | None) -> None:
        await self._api.call("POST", path, json=body, timeout=timeout)


def _tell_if_unknown(error: DaytonaNotFoundError, what: str) -> None:
    """Tell a server that does not know a path from one that has no such repository."""
    if "page not found" in str(error):
        raise DaytonaNotSupportedError(f"this server has no git {what}", error.status_code) from error
