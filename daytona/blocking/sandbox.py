"""One sandbox: its life, its settings, the ways in, and the services inside it, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.sandbox`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Self, cast

from collections.abc import Sequence
from datetime import datetime
from daytona.models.access import PortPreviewUrl, SignedPortPreviewUrl, SshAccessDto, SshAccessValidationDto
from daytona.models.enums import LspLanguageId
from daytona.models.sandbox import SandboxData, SandboxView
from daytona.models.system import SandboxMetrics
from daytona.plugins import ExtensibleFace, face_of
from daytona.service import BlockingService, step
from daytona.services.sandbox import AsyncSandbox
from types import TracebackType

if TYPE_CHECKING:
    from daytona.blocking.code_interpreter import CodeInterpreter
    from daytona.blocking.filesystem import FileSystem
    from daytona.blocking.git import Git
    from daytona.blocking.process import Process
    from daytona.models.params import Resources
    from daytona_plugins.computer_use.blocking import ComputerUse
    from daytona_plugins.lsp.blocking import LspServer

__all__ = ["Sandbox"]


class Sandbox(BlockingService[AsyncSandbox], ExtensibleFace, SandboxView):
    """A sandbox, and everything that can be done with it and in it.

    Its attributes are what the platform reported last; `refresh_data` asks again. When used as a context manager, it is
    deleted at the end of the block.
    """

    @property
    def _data(self) -> SandboxData:  # type: ignore[override]  # read through, never kept
        return self._core._data

    @functools.cached_property
    def language(self) -> str:
        """The language that `process.code_run` runs."""
        return self._core.language

    @functools.cached_property
    def fs(self) -> FileSystem:
        """The files in the sandbox."""
        from daytona.blocking.filesystem import FileSystem
        return FileSystem._over(self._core.fs)

    @functools.cached_property
    def process(self) -> Process:
        """Commands, code, sessions and terminals."""
        from daytona.blocking.process import Process
        return Process._over(self._core.process)

    @functools.cached_property
    def git(self) -> Git:
        """Git repositories in the sandbox."""
        from daytona.blocking.git import Git
        return Git._over(self._core.git)

    @functools.cached_property
    def code_interpreter(self) -> CodeInterpreter:
        """Python that keeps its variables from one call to the next."""
        from daytona.blocking.code_interpreter import CodeInterpreter
        return CodeInterpreter._over(self._core.code_interpreter)

    @property
    def computer_use(self) -> ComputerUse:
        """A desktop in the sandbox.

        Raises:
            DaytonaPluginMissingError: The plugin for it is not installed.
        """
        return cast("ComputerUse", face_of(self._core.computer_use))

    def __repr__(self) -> str:
        return repr(self._core).replace("AsyncSandbox", "Sandbox", 1)

    def __enter__(self) -> Self:
        step(self._core.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        step(self._core.__aexit__(kind, error, trace))

    def create_lsp_server(
        self, language_id: LspLanguageId | str, path_to_project: str, *, command: Sequence[str] | None = None
    ) -> LspServer:
        """Return a language server for a project in this sandbox, which has not been started yet.

        Args:
            language_id: `python`, `typescript` or `javascript`.
            path_to_project: The directory of the project.
            command: The server program and its arguments, as for `AsyncLspServer`; None uses the best one that
                the sandbox has.

        Raises:
            DaytonaPluginMissingError: The plugin for language servers is not installed.
        """
        return cast("LspServer", face_of(self._core.create_lsp_server(language_id, path_to_project, command=command)))

    def refresh_data(self, request_timeout: float | None = None) -> None:
        """Update the attributes of this sandbox with what the platform knows about it.

        Raises:
            DaytonaNotFoundError: It no longer exists.
        """
        step(self._core.refresh_data(request_timeout))

    def start(self, timeout: float | None = 60) -> None:
        """Start this sandbox and wait until programs can run in it.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
        """
        step(self._core.start(timeout))

    def stop(self, timeout: float | None = 60, force: bool = False) -> None:
        """Stop this sandbox and all its programs, and wait until it has stopped; its files are kept.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
            force: Kill the programs instead of asking them to exit.
        """
        step(self._core.stop(timeout, force))

    def delete(self, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete this sandbox; if its state is just changing, it is deleted as soon as that is over.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
            wait: Return only once it is gone.
        """
        step(self._core.delete(timeout, wait))

    def recover(self, timeout: float | None = 60) -> None:
        """Recover this sandbox from an error and wait until it has started.

        Raises:
            DaytonaBadRequestError: It is not in an error state, or the error is not recoverable.
        """
        step(self._core.recover(timeout))

    def archive(self, request_timeout: float | None = None) -> None:
        """Begin to move this stopped sandbox to cheaper storage; `start` brings it back."""
        step(self._core.archive(request_timeout))

    def pause(self, timeout: float | None = 60) -> None:
        """Suspend this sandbox, keeping its memory, and wait until that is done; not every class of sandbox can."""
        step(self._core.pause(timeout))

    def resize(self, resources: Resources, timeout: float | None = 60) -> None:
        """Change the CPU cores, memory and disk of this sandbox, and wait until that is done.

        Raises:
            DaytonaBadRequestError: A running sandbox can only get more cores and memory.
        """
        step(self._core.resize(resources, timeout))

    def fork(self, name: str | None = None, timeout: float | None = 60) -> Sandbox:
        """Return a new, started sandbox with a copy of this one's files."""
        return Sandbox._over(step(self._core.fork(name, timeout)))

    def create_snapshot(self, name: str, timeout: float | None = 60) -> None:
        """Create a snapshot of this sandbox, from which others can be created, and wait until that is done."""
        step(self._core.create_snapshot(name, timeout))

    def wait_for_sandbox_start(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has started."""
        step(self._core.wait_for_sandbox_start(timeout))

    def wait_for_sandbox_stop(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has stopped or no longer exists."""
        step(self._core.wait_for_sandbox_stop(timeout))

    def wait_for_resize_complete(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has its new size."""
        step(self._core.wait_for_resize_complete(timeout))

    def set_labels(self, labels: dict[str, str], request_timeout: float | None = None) -> dict[str, str]:
        """Replace all labels by these and return them; the label that stores the language is kept."""
        return step(self._core.set_labels(labels, request_timeout))

    def set_public(self, public: bool, request_timeout: float | None = None) -> None:
        """Allow previews to anybody with the URL, or only to those with a token."""
        step(self._core.set_public(public, request_timeout))

    def set_autostop_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Stop the sandbox after *interval* minutes without activity; 0 means never."""
        step(self._core.set_autostop_interval(interval, request_timeout))

    def set_auto_pause_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Pause the sandbox after *interval* minutes without activity; 0 means never."""
        step(self._core.set_auto_pause_interval(interval, request_timeout))

    def set_auto_archive_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Archive the sandbox once it has been stopped for *interval* minutes; 0 means the longest the platform allows."""
        step(self._core.set_auto_archive_interval(interval, request_timeout))

    def set_auto_delete_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Delete the sandbox once it has been stopped for *interval* minutes; 0 means at once, a negative number never."""
        step(self._core.set_auto_delete_interval(interval, request_timeout))

    def set_ttl(self, ttl_minutes: int, request_timeout: float | None = None) -> None:
        """Destroy this sandbox *ttl_minutes* from now, whatever it is doing; 0 removes the limit."""
        step(self._core.set_ttl(ttl_minutes, request_timeout))

    def update_network_settings(
        self,
        *,
        network_block_all: bool | None = None,
        network_allow_list: str | None = None,
        domain_allow_list: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Change what this sandbox can reach: nothing, only some networks (CIDR blocks), or only some domains.

        Raises:
            DaytonaValidationError: None of the settings was given.
        """
        step(self._core.update_network_settings(network_block_all=network_block_all, network_allow_list=network_allow_list, domain_allow_list=domain_allow_list, request_timeout=request_timeout))

    def update_secrets(self, secrets: dict[str, str], request_timeout: float | None = None) -> None:
        """Replace the secrets of this sandbox, given as a mapping from variable names to the names of secrets."""
        step(self._core.update_secrets(secrets, request_timeout))

    def update_env(
        self, env: dict[str, str], *, unset: list[str] | None = None, request_timeout: float | None = None
    ) -> None:
        """Set and unset environment variables for programs that are started from now on."""
        step(self._core.update_env(env, unset=unset, request_timeout=request_timeout))

    def refresh_activity(self, request_timeout: float | None = None) -> None:
        """Report activity, which restarts the intervals for idle sandboxes."""
        step(self._core.refresh_activity(request_timeout))

    def keep_alive(self, every: float = 60, request_timeout: float | None = None) -> None:
        """Report activity now, and then periodically until this sandbox is gone or the client is closed.

        Calls into a sandbox count as activity anyway, so this is for programs that only wait. In blocking code nothing can
        run in the background, so it reports activity once.

        Args:
            every: Seconds between reports.
            request_timeout: Seconds for the first report.
        """
        step(self._core.keep_alive(every, request_timeout))

    def get_preview_link(self, port: int, request_timeout: float | None = None) -> PortPreviewUrl:
        """Return the URL of whatever listens on *port*, and the token that a private sandbox requires."""
        return step(self._core.get_preview_link(port, request_timeout))

    def create_signed_preview_url(
        self, port: int, expires_in_seconds: int | None = None, request_timeout: float | None = None
    ) -> SignedPortPreviewUrl:
        """Return a URL of whatever listens on *port* that needs no token and expires, after 60 seconds by default."""
        return step(self._core.create_signed_preview_url(port, expires_in_seconds, request_timeout))

    def expire_signed_preview_url(self, port: int, token: str, request_timeout: float | None = None) -> None:
        """Invalidate a signed preview URL now."""
        step(self._core.expire_signed_preview_url(port, token, request_timeout))

    def create_ssh_access(
        self, expires_in_minutes: int | None = None, request_timeout: float | None = None
    ) -> SshAccessDto:
        """Return a token and a command to log in with; all earlier tokens of this sandbox become invalid."""
        return step(self._core.create_ssh_access(expires_in_minutes, request_timeout))

    def revoke_ssh_access(self, token: str, request_timeout: float | None = None) -> None:
        """Invalidate one token; open connections stay open."""
        step(self._core.revoke_ssh_access(token, request_timeout))

    def validate_ssh_access(self, token: str, request_timeout: float | None = None) -> SshAccessValidationDto:
        """Return whether a token is valid, and for which sandbox, which may be another one."""
        return step(self._core.validate_ssh_access(token, request_timeout))

    def download_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return a URL that downloads a file without a key.

        Args:
            path: Path in the sandbox.
            ttl_seconds: How long it is valid; None means an hour, 0 forever.
        """
        return step(self._core.download_url(path, ttl_seconds))

    def upload_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return a URL to which a file can be posted without a key, as the form field `file` or as the plain body."""
        return step(self._core.upload_url(path, ttl_seconds))

    def rotate_signing_key(self) -> None:
        """Invalidate all signed file URLs that were created so far."""
        step(self._core.rotate_signing_key())

    def get_user_home_dir(self) -> str:
        """Return the home directory of the user that runs programs."""
        return step(self._core.get_user_home_dir())

    def get_user_root_dir(self) -> str:
        """Deprecated: use `get_user_home_dir`."""
        return step(self._core.get_user_root_dir())

    def get_work_dir(self) -> str:
        """Return the working directory, in which programs start and relative paths are resolved."""
        return step(self._core.get_work_dir())

    def get_metrics_latest(self) -> SandboxMetrics:
        """Return the current resource usage of this sandbox; sizes are in bytes, and unknown values are 0."""
        return step(self._core.get_metrics_latest())

    def get_metrics(self, start: datetime | None = None, end: datetime | None = None) -> list[SandboxMetrics]:
        """Return the resource usage of this sandbox over time, oldest first; sizes are in bytes, unknown values are 0.

        Args:
            start: The beginning; None means the sandbox's creation. Times without a zone are in UTC.
            end: The end; None means now.
        """
        return step(self._core.get_metrics(start, end))
