"""Git repositories in a sandbox, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.git`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from daytona.models.git import (
    GitCommitInfo,
    GitCommitResponse,
    GitStatus,
    ListBranchResponse,
    ListRemotesResponse,
)
from daytona.service import BlockingService, step
from daytona.services.git import AsyncGit

__all__ = ["Git"]


class Git(BlockingService[AsyncGit]):
    """The git repositories of one sandbox. A *path* is the top directory of a repository's work tree.

    Credentials that a method takes are used for that call and kept nowhere.
    """

    def clone(
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
            url: Where it is.
            path: Where to put it.
            branch: Which branch; None is the server's default.
            commit_id: Check out this commit, without a branch.
            username: For the server.
            password: For the server; a token works as well.
            insecure_skip_tls: Do not check the server's certificate.
            depth: How many commits to fetch; None is all.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaGitAuthFailedError: The server wants other credentials, or any.
            DaytonaGitRepoNotFoundError: There is no such repository, or it is empty.
            DaytonaGitBranchNotFoundError: It has no such branch or commit.
            DaytonaConflictError: There is a repository at *path* already.
        """
        step(self._core.clone(url, path, branch, commit_id, username, password, insecure_skip_tls, depth, request_timeout))

    def fetch(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        prune: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Learn what a remote has now; no local branch and no file changes.

        Args:
            path: The repository.
            username: For the server.
            password: For the server.
            branch: Only this one, also one that the clone left out; None is what the remote is set up for.
            remote: Which one; None is "origin".
            prune: Forget branches that the remote has no more.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaNotSupportedError: The server is older than this operation.
        """
        step(self._core.fetch(path, username, password, branch, remote, prune, request_timeout))

    def pull(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Move the current branch forward to where the remote's is.

        Raises:
            DaytonaConflictError: Both have commits that the other lacks, or local changes are in the way.
        """
        step(self._core.pull(path, username, password, branch, remote, request_timeout))

    def push(
        self,
        path: str,
        username: str | None = None,
        password: str | None = None,
        branch: str | None = None,
        remote: str | None = None,
        set_upstream: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Move the remote's branch forward to where ours is, or make it.

        Args:
            path: The repository.
            username: For the server.
            password: For the server.
            branch: Which one; None is the current one.
            remote: Which one; None is "origin".
            set_upstream: Remember the remote's branch as the one that ours follows.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaGitPushRejectedError: The remote has commits that are missing here.
        """
        step(self._core.push(path, username, password, branch, remote, set_upstream, request_timeout))

    def remote_add(
        self,
        path: str,
        name: str,
        url: str,
        fetch: bool = False,
        overwrite: bool = False,
        request_timeout: float | None = None,
    ) -> None:
        """Give a repository elsewhere a name; with *fetch* learn at once what it has.

        Raises:
            DaytonaConflictError: The name is taken, and *overwrite* is false.
        """
        step(self._core.remote_add(path, name, url, fetch, overwrite, request_timeout))

    def remotes(self, path: str, request_timeout: float | None = None) -> ListRemotesResponse:
        """Return the names and addresses of remotes."""
        return step(self._core.remotes(path, request_timeout))

    def remote_get(self, path: str, name: str, request_timeout: float | None = None) -> str | None:
        """Return the address of a remote, or None if there is none of this name."""
        return step(self._core.remote_get(path, name, request_timeout))

    def init(
        self,
        path: str,
        bare: bool = False,
        initial_branch: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Make an empty repository.

        Raises:
            DaytonaConflictError: There is one already.
        """
        step(self._core.init(path, bare, initial_branch, request_timeout))

    def status(self, path: str, request_timeout: float | None = None) -> GitStatus:
        """Return what is checked out and which files differ from the last commit.

        Raises:
            DaytonaNotFoundError: There is no repository, or no commit in it yet.
        """
        return step(self._core.status(path, request_timeout))

    def diff(
        self, path: str, staged: bool = False, target: str | None = None, request_timeout: float | None = None
    ) -> str:
        """Return how files differ, as a patch.

        Args:
            path: The repository.
            staged: What is staged instead of what is in the work tree.
            target: Compare with this commit instead of the index or, with *staged*, HEAD.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaNotSupportedError: The server is older than this operation.
        """
        return step(self._core.diff(path, staged, target, request_timeout))

    def history(self, path: str, request_timeout: float | None = None) -> list[GitCommitInfo]:
        """Return the commits that lead to the current one, newest first."""
        return step(self._core.history(path, request_timeout))

    def add(self, path: str, files: list[str], request_timeout: float | None = None) -> None:
        """Stage files, given from the top of the repository; "." is everything that has changed.

        Raises:
            DaytonaNotFoundError: There is no such file, and there was none.
        """
        step(self._core.add(path, files, request_timeout))

    def commit(
        self,
        path: str,
        message: str,
        author: str,
        email: str,
        allow_empty: bool = False,
        request_timeout: float | None = None,
    ) -> GitCommitResponse:
        """Record what is staged and return the new commit.

        Raises:
            DaytonaError: Nothing is staged, and *allow_empty* is false.
        """
        return step(self._core.commit(path, message, author, email, allow_empty, request_timeout))

    def reset(
        self,
        path: str,
        mode: str | None = None,
        target: str | None = None,
        files: list[str] | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Put the current branch at another commit, or take files out of the index.

        Args:
            path: The repository.
            mode: soft, mixed (the default), hard, merge or keep.
            target: The commit; None is HEAD.
            files: Only these, and only in the index.
            request_timeout: Seconds until the call fails.
        """
        step(self._core.reset(path, mode, target, files, request_timeout))

    def restore(
        self,
        path: str,
        files: list[str],
        staged: bool | None = None,
        worktree: bool | None = None,
        source: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Bring files back as they were.

        Args:
            path: The repository.
            files: Which.
            staged: In the index.
            worktree: In the work tree; the default unless *staged* is given.
            source: From this commit; None is the index, or with *staged* HEAD.
            request_timeout: Seconds until the call fails.
        """
        step(self._core.restore(path, files, staged, worktree, source, request_timeout))

    def branches(self, path: str, request_timeout: float | None = None) -> ListBranchResponse:
        """Return the local branches."""
        return step(self._core.branches(path, request_timeout))

    def create_branch(self, path: str, name: str, request_timeout: float | None = None) -> None:
        """Make a branch where HEAD is, and check it out.

        Raises:
            DaytonaGitBranchExistsError: There is one of this name.
        """
        step(self._core.create_branch(path, name, request_timeout))

    def checkout_branch(self, path: str, branch: str, request_timeout: float | None = None) -> None:
        """Check out a branch, or a commit by its hash.

        Raises:
            DaytonaGitBranchNotFoundError: There is neither.
            DaytonaGitDirtyWorktreeError: Changes would be lost.
        """
        step(self._core.checkout_branch(path, branch, request_timeout))

    def delete_branch(self, path: str, name: str, request_timeout: float | None = None) -> None:
        """Delete a local branch, merged or not."""
        step(self._core.delete_branch(path, name, request_timeout))

    def set_config(
        self,
        key: str,
        value: str,
        scope: str = 'global',
        path: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Set an option, such as "pull.rebase".

        Args:
            key: Its name.
            value: Its value.
            scope: For whom: global (the user), local (one repository) or system (everybody).
            path: The repository, for the scope local.
            request_timeout: Seconds until the call fails.
        """
        step(self._core.set_config(key, value, scope, path, request_timeout))

    def get_config(
        self, key: str, scope: str = 'global', path: str | None = None, request_timeout: float | None = None
    ) -> str | None:
        """Return the value of an option in one scope, or None."""
        return step(self._core.get_config(key, scope, path, request_timeout))

    def configure_user(
        self,
        name: str,
        email: str,
        scope: str = 'global',
        path: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Set whom commits are by that programs in the sandbox make."""
        step(self._core.configure_user(name, email, scope, path, request_timeout))

    def dangerously_authenticate(
        self,
        username: str,
        password: str,
        host: str | None = None,
        protocol: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Keep credentials for a host in the sandbox, as plain text that every program in it can read.

        Args:
            username: For the server.
            password: For the server.
            host: The server; None is github.com.
            protocol: None is https.
            request_timeout: Seconds until the call fails.
        """
        step(self._core.dangerously_authenticate(username, password, host, protocol, request_timeout))
