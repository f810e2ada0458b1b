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
    """The git repositories of one sandbox. A *path* is the top directory of a repository's working tree.

    Credentials passed to a method are used for that call only and are not stored.
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
        """Fast-forward the current branch to the one of the remote.

        Raises:
            DaytonaConflictError: The branches have diverged, or local changes are in the way.
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
        """Add a remote; with *fetch*, fetch from it at once.

        Raises:
            DaytonaConflictError: The name is taken, and *overwrite* is false.
        """
        step(self._core.remote_add(path, name, url, fetch, overwrite, request_timeout))

    def remotes(self, path: str, request_timeout: float | None = None) -> ListRemotesResponse:
        """Return the names and URLs of all remotes."""
        return step(self._core.remotes(path, request_timeout))

    def remote_get(self, path: str, name: str, request_timeout: float | None = None) -> str | None:
        """Return the URL of a remote, or None if there is no remote with this name."""
        return step(self._core.remote_get(path, name, request_timeout))

    def init(
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
            staged: Show staged changes instead of those in the working tree.
            target: Compare with this commit instead of the index or, with *staged*, HEAD.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaNotSupportedError: The server is older than this operation.
        """
        return step(self._core.diff(path, staged, target, request_timeout))

    def history(self, path: str, request_timeout: float | None = None) -> list[GitCommitInfo]:
        """Return the history of the current commit, newest first."""
        return step(self._core.history(path, request_timeout))

    def add(self, path: str, files: list[str], request_timeout: float | None = None) -> None:
        """Stage files, given by paths relative to the repository; "." means all changes.

        Raises:
            DaytonaNotFoundError: There is no such file, not even a deleted one.
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
        """Commit the staged changes and return the new commit.

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
        """Reset the current branch to another commit, or unstage files.

        Args:
            path: The repository.
            mode: soft, mixed (the default), hard, merge or keep.
            target: The commit; None means HEAD.
            files: Only unstage these files.
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
        """Restore files to an earlier state.

        Args:
            path: The repository.
            files: The files.
            staged: Restore them in the index.
            worktree: Restore them in the working tree; the default unless *staged* is given.
            source: The commit to restore from; None means the index or, with *staged*, HEAD.
            request_timeout: Seconds until the call fails.
        """
        step(self._core.restore(path, files, staged, worktree, source, request_timeout))

    def branches(self, path: str, request_timeout: float | None = None) -> ListBranchResponse:
        """Return the local branches."""
        return step(self._core.branches(path, request_timeout))

    def create_branch(self, path: str, name: str, request_timeout: float | None = None) -> None:
        """Create a branch at HEAD and check it out.

        Raises:
            DaytonaGitBranchExistsError: A branch with this name exists.
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
            scope: global (for the user), local (for one repository) or system (for everybody).
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
        """Set the author of commits that programs in the sandbox make."""
        step(self._core.configure_user(name, email, scope, path, request_timeout))

    def dangerously_authenticate(
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
        step(self._core.dangerously_authenticate(username, password, host, protocol, request_timeout))
