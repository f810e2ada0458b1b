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
    """A sandbox and everything that can be done to it and in it.

    Its attributes are what the platform said last; `refresh_data` asks again. As a context manager it is deleted at
    the end.
    """

    @property
    def _data(self) -> SandboxData:  # type: ignore[override]  # read through, never kept
        return self._core._data

    @functools.cached_property
    def language(self) -> str:
        """What `process.code_run` runs."""
        return self._core.language

    @functools.cached_property
    def fs(self) -> FileSystem:
        """Its files."""
        from daytona.blocking.filesystem import FileSystem
        return FileSystem._over(self._core.fs)

    @functools.cached_property
    def process(self) -> Process:
        """Commands, code and sessions."""
        from daytona.blocking.process import Process
        return Process._over(self._core.process)

    @functools.cached_property
    def git(self) -> Git:
        """Repositories."""
        from daytona.blocking.git import Git
        return Git._over(self._core.git)

    @functools.cached_property
    def code_interpreter(self) -> CodeInterpreter:
        """Python that keeps its variables."""
        from daytona.blocking.code_interpreter import CodeInterpreter
        return CodeInterpreter._over(self._core.code_interpreter)

    @property
    def computer_use(self) -> ComputerUse:
        """A desktop.

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
        """Return a language server for a project in this sandbox, not yet started.

        Args:
            language_id: `python`, `typescript` or `javascript`.
            path_to_project: The directory of the project.
            command: The program that serves and its arguments, as `AsyncLspServer` takes it; None takes the best
                that the sandbox has.

        Raises:
            DaytonaPluginMissingError: The plugin for language servers is not installed.
        """
        return cast("LspServer", face_of(self._core.create_lsp_server(language_id, path_to_project, command=command)))

    def refresh_data(self, request_timeout: float | None = None) -> None:
        """Ask the platform about this sandbox; its attributes are then up to date.

        Raises:
            DaytonaNotFoundError: It does not exist any more.
        """
        step(self._core.refresh_data(request_timeout))

    def start(self, timeout: float | None = 60) -> None:
        """Start this sandbox and wait until programs can run in it.

        Args:
            timeout: Seconds for all of it; None or 0 means no limit.
        """
        step(self._core.start(timeout))

    def stop(self, timeout: float | None = 60, force: bool = False) -> None:
        """End all programs and wait until this sandbox has stopped; its files stay.

        Args:
            timeout: Seconds for all of it; None or 0 means no limit.
            force: Kill the programs instead of asking them to end.
        """
        step(self._core.stop(timeout, force))

    def delete(self, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete this sandbox; one that is just changing its state is deleted as soon as it has.

        Args:
            timeout: Seconds for all of it; None or 0 means no limit.
            wait: Return only when it is gone.
        """
        step(self._core.delete(timeout, wait))

    def recover(self, timeout: float | None = 60) -> None:
        """Bring this sandbox back from a recoverable error and wait until it has started.

        Raises:
            DaytonaBadRequestError: It is not in an error state, or the error cannot be recovered from.
        """
        step(self._core.recover(timeout))

    def archive(self, request_timeout: float | None = None) -> None:
        """Begin to move this stopped sandbox to cheaper storage; starting it brings it back."""
        step(self._core.archive(request_timeout))

    def pause(self, timeout: float | None = 60) -> None:
        """Freeze this sandbox with its memory, where its class can, and wait until it is."""
        step(self._core.pause(timeout))

    def resize(self, resources: Resources, timeout: float | None = 60) -> None:
        """Change cores, memory and disk, and wait until that is done.

        Raises:
            DaytonaBadRequestError: A running sandbox can grow in cores and memory only.
        """
        step(self._core.resize(resources, timeout))

    def fork(self, name: str | None = None, timeout: float | None = 60) -> Sandbox:
        """Return a new sandbox with a copy of this one's files, started."""
        return Sandbox._over(step(self._core.fork(name, timeout)))

    def create_snapshot(self, name: str, timeout: float | None = 60) -> None:
        """Make a snapshot of this sandbox, from which others can be created, and wait until that is done."""
        step(self._core.create_snapshot(name, timeout))

    def wait_for_sandbox_start(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has started."""
        step(self._core.wait_for_sandbox_start(timeout))

    def wait_for_sandbox_stop(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has stopped, or is gone."""
        step(self._core.wait_for_sandbox_stop(timeout))

    def wait_for_resize_complete(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has its new size."""
        step(self._core.wait_for_resize_complete(timeout))

    def set_labels(self, labels: dict[str, str], request_timeout: float | None = None) -> dict[str, str]:
        """Replace all labels by these and return them; the label that holds the language is kept."""
        return step(self._core.set_labels(labels, request_timeout))

    def set_public(self, public: bool, request_timeout: float | None = None) -> None:
        """Let anybody with the address see previews, or only who has a token."""
        step(self._core.set_public(public, request_timeout))

    def set_autostop_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Stop after *interval* minutes without activity; 0 means never."""
        step(self._core.set_autostop_interval(interval, request_timeout))

    def set_auto_pause_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Pause after *interval* minutes without activity; 0 means never."""
        step(self._core.set_auto_pause_interval(interval, request_timeout))

    def set_auto_archive_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Archive after *interval* minutes of being stopped; 0 means as late as the platform allows."""
        step(self._core.set_auto_archive_interval(interval, request_timeout))

    def set_auto_delete_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Delete after *interval* minutes of being stopped; 0 means at once, a negative number never."""
        step(self._core.set_auto_delete_interval(interval, request_timeout))

    def set_ttl(self, ttl_minutes: int, request_timeout: float | None = None) -> None:
        """Destroy this sandbox *ttl_minutes* from now, whatever it does; 0 takes the limit away."""
        step(self._core.set_ttl(ttl_minutes, request_timeout))

    def update_network_settings(
        self,
        *,
        network_block_all: bool | None = None,
        network_allow_list: str | None = None,
        domain_allow_list: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Change what this sandbox reaches: nothing, only some networks (CIDR blocks) or only some domains.

        Raises:
            DaytonaValidationError: Nothing is to be changed.
        """
        step(self._core.update_network_settings(network_block_all=network_block_all, network_allow_list=network_allow_list, domain_allow_list=domain_allow_list, request_timeout=request_timeout))

    def update_secrets(self, secrets: dict[str, str], request_timeout: float | None = None) -> None:
        """Replace the secrets of this sandbox: names of variables, and of the secrets they stand for."""
        step(self._core.update_secrets(secrets, request_timeout))

    def update_env(
        self, env: dict[str, str], *, unset: list[str] | None = None, request_timeout: float | None = None
    ) -> None:
        """Set and unset variables for programs that are started from now on."""
        step(self._core.update_env(env, unset=unset, request_timeout=request_timeout))

    def refresh_activity(self, request_timeout: float | None = None) -> None:
        """Count as activity: what stops an idle sandbox starts to count again."""
        step(self._core.refresh_activity(request_timeout))

    def keep_alive(self, every: float = 60, request_timeout: float | None = None) -> None:
        """Count as activity now, and then again and again until this sandbox is gone or the client is closed.

        Calls into a sandbox count by themselves, so this is for programs that only wait. Blocking code has nobody who could
        go on: it counts once.

        Args:
            every: Seconds from one time to the next.
            request_timeout: Seconds for the first.
        """
        step(self._core.keep_alive(every, request_timeout))

    def get_preview_link(self, port: int, request_timeout: float | None = None) -> PortPreviewUrl:
        """Return the address of what listens on *port*, and the token that a private one wants."""
        return step(self._core.get_preview_link(port, request_timeout))

    def create_signed_preview_url(
        self, port: int, expires_in_seconds: int | None = None, request_timeout: float | None = None
    ) -> SignedPortPreviewUrl:
        """Return an address of what listens on *port* that needs no token and ends by itself (60 s by default)."""
        return step(self._core.create_signed_preview_url(port, expires_in_seconds, request_timeout))

    def expire_signed_preview_url(self, port: int, token: str, request_timeout: float | None = None) -> None:
        """End a signed address now."""
        step(self._core.expire_signed_preview_url(port, token, request_timeout))

    def create_ssh_access(
        self, expires_in_minutes: int | None = None, request_timeout: float | None = None
    ) -> SshAccessDto:
        """Return a token to log in with, and the command to type; every earlier token of this sandbox ends."""
        return step(self._core.create_ssh_access(expires_in_minutes, request_timeout))

    def revoke_ssh_access(self, token: str, request_timeout: float | None = None) -> None:
        """End one token; open connections stay."""
        step(self._core.revoke_ssh_access(token, request_timeout))

    def validate_ssh_access(self, token: str, request_timeout: float | None = None) -> SshAccessValidationDto:
        """Return whether a token is good, and for which sandbox: not only this one is looked at."""
        return step(self._core.validate_ssh_access(token, request_timeout))

    def download_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return an address that downloads a file without a key.

        Args:
            path: Path in the sandbox.
            ttl_seconds: How long it works; None means an hour, 0 for ever.
        """
        return step(self._core.download_url(path, ttl_seconds))

    def upload_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return an address to which a file can be posted without a key: as form field `file`, or as it is."""
        return step(self._core.upload_url(path, ttl_seconds))

    def rotate_signing_key(self) -> None:
        """Make every signed file address that was given out so far useless."""
        step(self._core.rotate_signing_key())

    def get_user_home_dir(self) -> str:
        """Return the home directory of the user that programs run as."""
        return step(self._core.get_user_home_dir())

    def get_user_root_dir(self) -> str:
        """Return what `get_user_home_dir` does, under its older name."""
        return step(self._core.get_user_root_dir())

    def get_work_dir(self) -> str:
        """Return the directory where programs start and relative paths begin."""
        return step(self._core.get_work_dir())

    def get_metrics_latest(self) -> SandboxMetrics:
        """Return the load of this sandbox now; sizes in bytes, what is not known is 0."""
        return step(self._core.get_metrics_latest())

    def get_metrics(self, start: datetime | None = None, end: datetime | None = None) -> list[SandboxMetrics]:
        """Return the load of this sandbox over time, oldest first; sizes in bytes, what was not measured is 0.

        Args:
            start: The first moment; None means the sandbox's creation. A time without a zone is UTC.
            end: The last moment; None means now.
        """
        return step(self._core.get_metrics(start, end))
