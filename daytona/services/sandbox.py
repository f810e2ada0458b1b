"""One sandbox: its life, its settings, the ways in, and the services inside it."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

from ..errors import (
    DaytonaClosedError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaQueueTimeoutError,
    DaytonaSpotEvictedError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from ..models.access import (
    PortPreviewUrl,
    SignedPortPreviewUrl,
    SshAccessDto,
    SshAccessValidationDto,
    ToolboxProxyUrl,
)
from ..models.enums import CodeLanguage, LspLanguageId, SandboxState
from ..models.sandbox import (
    LANGUAGE_LABEL,
    CreateSandboxSnapshot,
    ForkSandbox,
    ResizeSandbox,
    SandboxData,
    SandboxLabels,
    SandboxView,
    UpdateSandboxNetworkSettings,
    UpdateSandboxSecrets,
)
from ..models.system import Directory, SandboxMetrics, SystemMetrics, UpdateEnvRequest
from ..plugins import SANDBOX_SERVICES, Extensible, sandbox_service
from ..protocols import waiting
from ..protocols.waiting import Goal, Verdict
from ..service import Api, Endpoint, operation, segment
from ._watching import Watcher

if TYPE_CHECKING:
    from daytona_plugins.computer_use.service import AsyncComputerUse
    from daytona_plugins.lsp.service import AsyncLspServer

    from ..models.params import Resources
    from ._signed_urls import SignedUrls
    from .code_interpreter import AsyncCodeInterpreter
    from .filesystem import AsyncFileSystem
    from .git import AsyncGit
    from .process import AsyncProcess

__all__ = ["AsyncSandbox"]

ABANDONED_MINUTES: Final = 60
"""How long after its stop a sandbox of a `with` block is deleted if the block has not: its stop may be meant."""

_SANDBOX_OR_NULL: Final = cast("type[SandboxData | None]", SandboxData | None)


class AsyncSandbox(SandboxView, Extensible):
    """A sandbox, and everything that can be done with it and in it.

    Its attributes are what the platform reported last; `refresh_data` asks again. When used as a context manager, it is
    deleted at the end of the block.
    """

    _plugins = SANDBOX_SERVICES

    def __init__(
        self,
        api: Api,
        data: SandboxData,
        watcher: Watcher | None = None,
        *,
        left_alone: bool = False,
    ) -> None:
        self._client_api = api
        self._watcher = watcher if watcher is not None else Watcher(api)
        self._left_alone = left_alone
        self._data = data

    # Loaded and made when they are first used: few programs need them all, and most sandboxes of a list are only
    # looked at. Together with the client's services this is a third of the time to the first answer.

    @functools.cached_property
    def language(self) -> str:
        """The language that `process.code_run` runs."""
        return self._data.labels.get(LANGUAGE_LABEL) or CodeLanguage.PYTHON.value

    @functools.cached_property
    def _api(self) -> Api:
        return Api(self._client_api.transport, self._client_api.endpoint, self._data.id)

    @functools.cached_property
    def _toolbox(self) -> Api:
        return Api(self._api.transport, self._locate_toolbox, self._data.id)

    @functools.cached_property
    def _signed_urls(self) -> SignedUrls:
        from ._signed_urls import SignedUrls

        return SignedUrls(self._api, self._path, self._toolbox)

    @functools.cached_property
    def fs(self) -> AsyncFileSystem:
        """The files in the sandbox."""
        from .filesystem import AsyncFileSystem

        return AsyncFileSystem(self._toolbox)

    @functools.cached_property
    def process(self) -> AsyncProcess:
        """Commands, code, sessions and terminals."""
        from .process import AsyncProcess

        return AsyncProcess(self._toolbox, self.language)

    @functools.cached_property
    def git(self) -> AsyncGit:
        """Git repositories in the sandbox."""
        from .git import AsyncGit

        return AsyncGit(self._toolbox)

    @functools.cached_property
    def code_interpreter(self) -> AsyncCodeInterpreter:
        """Python that keeps its variables from one call to the next."""
        from .code_interpreter import AsyncCodeInterpreter

        return AsyncCodeInterpreter(self._toolbox)

    @property
    def computer_use(self) -> AsyncComputerUse:
        """A desktop in the sandbox.

        Raises:
            DaytonaPluginMissingError: The plugin for it is not installed.
        """
        return cast("AsyncComputerUse", self._service("computer_use"))

    def _plugin_target(self) -> Api:
        return self._toolbox

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._data.id} {self._data.state}>"

    async def __aenter__(self) -> Self:
        """Have the platform delete the sandbox some time after it has stopped, in case this program cannot."""
        if self._left_alone:
            try:
                path = f"/autodelete/{ABANDONED_MINUTES}"
                await self._set(path, None, auto_delete_interval=ABANDONED_MINUTES)
            except BaseException:
                await self._api.transport.shielded(self.delete)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._api.transport.shielded(self.delete)
        except DaytonaNotFoundError:
            pass  # gone already: deleted in the block, or ephemeral and stopped
        except DaytonaError as failure:
            if error is None:
                raise
            error.add_note(f"and the sandbox {self._data.id} could not be deleted: {failure}")

    def create_lsp_server(
        self,
        language_id: LspLanguageId | str,
        path_to_project: str,
        *,
        command: Sequence[str] | None = None,
    ) -> AsyncLspServer:
        """Return a language server for a project in this sandbox, which has not been started yet.

        Args:
            language_id: `python`, `typescript` or `javascript`.
            path_to_project: The directory of the project.
            command: The server program and its arguments, as for `AsyncLspServer`; None uses the best one that
                the sandbox has.

        Raises:
            DaytonaPluginMissingError: The plugin for language servers is not installed.
        """
        made = sandbox_service("lsp")(language_id, path_to_project, self._toolbox, command=command)
        return cast("AsyncLspServer", made)

    async def _locate_toolbox(self) -> Endpoint:
        url = self._data.toolbox_proxy_url
        if not url:
            url = (await self._api.call("GET", f"{self._path}/toolbox-proxy-url", into=ToolboxProxyUrl)).url
        return (await self._api.endpoint()).at(f"{url.rstrip('/')}/{self._data.id}")

    @property
    def _path(self) -> str:
        return f"/sandbox/{segment(self._data.id)}"

    async def _act(
        self,
        method: str,
        path: str,
        *,
        timeout: float | None = None,
        json: object = None,
        **query: str | bool | int,
    ) -> None:
        """Send a request whose response describes the sandbox, and keep that."""
        self._replace(
            await self._api.call(
                method, f"{self._path}{path}", json=json, query=query, into=SandboxData, timeout=timeout
            )
        )

    # -- Life -----------------------------------------------------------------------------------------------------

    @operation("Failed to refresh sandbox data: ")
    async def refresh_data(self, request_timeout: float | None = None) -> None:
        """Update the attributes of this sandbox with what the platform knows about it.

        Raises:
            DaytonaNotFoundError: It no longer exists.
        """
        await self._refresh(request_timeout)

    async def _refresh(self, timeout: float | None = None) -> None:
        await self._act("GET", "", timeout=timeout)

    @operation("Failed to start sandbox: ")
    async def start(self, timeout: float | None = 60) -> None:
        """Start this sandbox and wait until programs can run in it.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
        """
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/start")
            await self._wait(waiting.STARTED)

    @operation("Failed to stop sandbox: ")
    async def stop(self, timeout: float | None = 60, force: bool = False) -> None:
        """Stop this sandbox and all its programs, and wait until it has stopped; its files are kept.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
            force: Kill the programs instead of asking them to exit.
        """
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/stop", force=force)
            await self._wait(waiting.STOPPED)

    @operation("Failed to remove sandbox: ")
    async def delete(self, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete this sandbox; if its state is just changing, it is deleted as soon as that is over.

        Args:
            timeout: Seconds for the whole call; None or 0 means no limit.
            wait: Return only once it is gone.
        """
        with self._api.transport.deadline(timeout):
            await self._delete()
            if wait:
                await self._wait(waiting.DESTROYED)

    async def _delete(self) -> None:
        schedule = waiting.Schedule()
        while True:
            try:
                # Some servers answer with the sandbox, some with null.
                data = await self._api.call("DELETE", self._path, into=_SANDBOX_OR_NULL)
                return (
                    self._replace(data) if data is not None else self._change(state=SandboxState.DESTROYING)
                )
            except DaytonaConflictError:
                await self._refresh_or_gone()
                if self._data.state is SandboxState.DESTROYED:
                    return
                if self._data.state not in waiting.REFUSING_DELETION:
                    raise
            await self._api.transport.sleep(schedule.next(os.urandom(1)[0] / 255))

    async def _refresh_or_gone(self) -> None:
        try:
            await self._refresh()
        except DaytonaNotFoundError:
            self._change(state=SandboxState.DESTROYED)

    @operation("Failed to recover sandbox: ")
    async def recover(self, timeout: float | None = 60) -> None:
        """Recover this sandbox from an error and wait until it has started.

        Raises:
            DaytonaBadRequestError: It is not in an error state, or the error is not recoverable.
        """
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/recover")
            await self._wait(waiting.STARTED)

    @operation("Failed to archive sandbox: ")
    async def archive(self, request_timeout: float | None = None) -> None:
        """Begin to move this stopped sandbox to cheaper storage; `start` brings it back."""
        with self._api.transport.deadline(request_timeout):
            await self._act("POST", "/archive")
            await self._refresh()

    @operation("Failed to pause sandbox: ")
    async def pause(self, timeout: float | None = 60) -> None:
        """Suspend this sandbox, keeping its memory, and wait until that is done; not every class of sandbox can."""
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/pause")
            await self._refresh()
            await self._wait(waiting.settled_from(SandboxState.PAUSING))

    @operation("Failed to resize sandbox: ")
    async def resize(self, resources: Resources, timeout: float | None = 60) -> None:
        """Change the CPU cores, memory and disk of this sandbox, and wait until that is done.

        Raises:
            DaytonaBadRequestError: A running sandbox can only get more cores and memory.
        """
        if resources.gpu is not None or resources.gpu_type is not None:
            raise DaytonaValidationError(
                "A sandbox keeps its graphics processors; resize cpu, memory and disk"
            )
        body = ResizeSandbox(cpu=resources.cpu, memory=resources.memory, disk=resources.disk)
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/resize", json=body)
            await self._wait(waiting.settled_from(SandboxState.RESIZING))

    @operation("Failed to fork sandbox: ")
    async def fork(self, name: str | None = None, timeout: float | None = 60) -> AsyncSandbox:
        """Return a new, started sandbox with a copy of this one's files."""
        with self._api.transport.deadline(timeout):
            data = await self._api.call(
                "POST", f"{self._path}/fork", json=ForkSandbox(name=name), into=SandboxData
            )
            child = AsyncSandbox(self._api, data, self._watcher)
            await child._wait(waiting.STARTED)
            return child

    @operation("Failed to create snapshot: ")
    async def create_snapshot(self, name: str, timeout: float | None = 60) -> None:
        """Create a snapshot of this sandbox, from which others can be created, and wait until that is done."""
        body = CreateSandboxSnapshot(name=name, include_memory=False)
        with self._api.transport.deadline(timeout):
            await self._act("POST", "/snapshot", json=body)
            await self._wait(waiting.settled_from(SandboxState.SNAPSHOTTING))

    # -- Waiting --------------------------------------------------------------------------------------------------

    @operation("Failure during waiting for sandbox to start: ")
    async def wait_for_sandbox_start(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has started."""
        with self._api.transport.deadline(timeout):
            await self._wait(waiting.STARTED)

    @operation("Failure during waiting for sandbox to stop: ")
    async def wait_for_sandbox_stop(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has stopped or no longer exists."""
        with self._api.transport.deadline(timeout):
            await self._wait(waiting.STOPPED)

    @operation("Failure during waiting for resize to complete: ")
    async def wait_for_resize_complete(self, timeout: float | None = 60) -> None:
        """Wait until this sandbox has its new size."""
        with self._api.transport.deadline(timeout):
            await self._wait(waiting.settled_from(SandboxState.RESIZING))

    async def _wait(self, goal: Goal) -> None:
        """Wait until this sandbox is as *goal* says; its attributes show what it goes through meanwhile."""
        if goal.judge(self._data.state) is Verdict.REACHED:
            return
        try:
            with self._watcher.watching(self._data.id) as watch:
                while True:
                    await self._take(await watch.look(self._data), goal)
                    verdict = goal.judge(self._data.state, self._data.desired_state)
                    if verdict is Verdict.REACHED:
                        return
                    if verdict is Verdict.FAILED:
                        raise _failure_of(self._data)
        except DaytonaTimeoutError as error:
            error.sandbox_id = self._data.id
            raise

    async def _take(self, seen: SandboxData | None, goal: Goal) -> None:
        if seen is not None:
            self._replace(seen)
        elif SandboxState.DESTROYED in goal.success:
            self._change(state=SandboxState.DESTROYED)
        else:
            await self._refresh()  # which says that it is gone

    # -- Settings -------------------------------------------------------------------------------------------------

    @operation("Failed to set labels: ")
    async def set_labels(
        self, labels: dict[str, str], request_timeout: float | None = None
    ) -> dict[str, str]:
        """Replace all labels by these and return them; the label that stores the language is kept."""
        wanted = {**labels}
        if LANGUAGE_LABEL in self._data.labels:
            wanted.setdefault(LANGUAGE_LABEL, self._data.labels[LANGUAGE_LABEL])
        reply = await self._api.call(
            "PUT",
            f"{self._path}/labels",
            json=SandboxLabels(labels=wanted),
            into=SandboxLabels,
            timeout=request_timeout,
        )
        self._change(labels=reply.labels)
        return reply.labels

    @operation("Failed to set public status: ")
    async def set_public(self, public: bool, request_timeout: float | None = None) -> None:
        """Allow previews to anybody with the URL, or only to those with a token."""
        await self._set(f"/public/{str(public).lower()}", request_timeout, public=public)

    @operation("Failed to set auto-stop interval: ")
    async def set_autostop_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Stop the sandbox after *interval* minutes without activity; 0 means never."""
        await self._set(f"/autostop/{_minutes(interval)}", request_timeout, auto_stop_interval=interval)

    @operation("Failed to set auto-pause interval: ")
    async def set_auto_pause_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Pause the sandbox after *interval* minutes without activity; 0 means never."""
        await self._set(f"/autopause/{_minutes(interval)}", request_timeout, auto_pause_interval=interval)

    @operation("Failed to set auto-archive interval: ")
    async def set_auto_archive_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Archive the sandbox once it has been stopped for *interval* minutes; 0 means the longest the platform allows."""
        await self._set(f"/autoarchive/{_minutes(interval)}", request_timeout, auto_archive_interval=interval)

    @operation("Failed to set auto-delete interval: ")
    async def set_auto_delete_interval(self, interval: int, request_timeout: float | None = None) -> None:
        """Delete the sandbox once it has been stopped for *interval* minutes; 0 means at once, a negative number never."""
        await self._set(f"/autodelete/{int(interval)}", request_timeout, auto_delete_interval=interval)

    @operation("Failed to set TTL: ")
    async def set_ttl(self, ttl_minutes: int, request_timeout: float | None = None) -> None:
        """Destroy this sandbox *ttl_minutes* from now, whatever it is doing; 0 removes the limit."""
        await self._set(f"/ttl/{_minutes(ttl_minutes)}", request_timeout)

    async def _set(self, path: str, timeout: float | None, **fields: object) -> None:
        await self._api.call("POST", f"{self._path}{path}", timeout=timeout)
        self._change(**fields)

    @operation("Failed to update network settings: ")
    async def update_network_settings(
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
        body = UpdateSandboxNetworkSettings(
            network_block_all=network_block_all,
            network_allow_list=network_allow_list,
            domain_allow_list=domain_allow_list,
        )
        if body == UpdateSandboxNetworkSettings():
            raise DaytonaValidationError(
                "Give at least one of network_block_all, network_allow_list, domain_allow_list"
            )
        data = await self._api.call(
            "POST", f"{self._path}/network-settings", json=body, into=SandboxData, timeout=request_timeout
        )
        self._change(
            network_block_all=data.network_block_all,
            network_allow_list=data.network_allow_list,
            domain_allow_list=data.domain_allow_list,
        )

    @operation("Failed to update secrets: ")
    async def update_secrets(self, secrets: dict[str, str], request_timeout: float | None = None) -> None:
        """Replace the secrets of this sandbox, given as a mapping from variable names to the names of secrets."""
        body = UpdateSandboxSecrets(secrets=[{name: secret} for name, secret in secrets.items()])
        await self._act("PUT", "/secrets", json=body, timeout=request_timeout)

    @operation("Failed to update environment: ")
    async def update_env(
        self, env: dict[str, str], *, unset: list[str] | None = None, request_timeout: float | None = None
    ) -> None:
        """Set and unset environment variables for programs that are started from now on."""
        await self._toolbox.call(
            "POST", "/env", json=UpdateEnvRequest(set=env, unset=unset), timeout=request_timeout
        )

    @operation("Failed to refresh sandbox activity: ")
    async def refresh_activity(self, request_timeout: float | None = None) -> None:
        """Report activity, which restarts the intervals for idle sandboxes."""
        await self._touch(request_timeout)

    @operation("Failed to keep sandbox alive: ")
    async def keep_alive(self, every: float = 60, request_timeout: float | None = None) -> None:
        """Report activity now, and then periodically until this sandbox is gone or the client is closed.

        Calls into a sandbox count as activity anyway, so this is for programs that only wait. In blocking code nothing can
        run in the background, so it reports activity once.

        Args:
            every: Seconds between reports.
            request_timeout: Seconds for the first report.
        """
        if every <= 0:
            raise DaytonaValidationError(f"every={every} is not a number of seconds")
        await self._touch(request_timeout)
        self._api.transport.start_soon(functools.partial(self._keep_touching, every))

    async def _keep_touching(self, every: float) -> None:
        while True:
            await self._api.transport.sleep(every)
            try:
                await self._touch(every)
            except (DaytonaNotFoundError, DaytonaClosedError):
                return
            except DaytonaError:
                continue  # the next time may be better

    async def _touch(self, timeout: float | None) -> None:
        await self._api.call("POST", f"{self._path}/last-activity", timeout=timeout)

    # -- Ways in --------------------------------------------------------------------------------------------------

    @operation("Failed to get preview link: ")
    async def get_preview_link(self, port: int, request_timeout: float | None = None) -> PortPreviewUrl:
        """Return the URL of whatever listens on *port*, and the token that a private sandbox requires."""
        return await self._api.call(
            "GET", f"{self._path}/ports/{int(port)}/preview-url", into=PortPreviewUrl, timeout=request_timeout
        )

    @operation("Failed to create signed preview url: ")
    async def create_signed_preview_url(
        self, port: int, expires_in_seconds: int | None = None, request_timeout: float | None = None
    ) -> SignedPortPreviewUrl:
        """Return a URL of whatever listens on *port* that needs no token and expires, after 60 seconds by default."""
        return await self._api.call(
            "GET",
            f"{self._path}/ports/{int(port)}/signed-preview-url",
            query={"expiresInSeconds": expires_in_seconds},
            into=SignedPortPreviewUrl,
            timeout=request_timeout,
        )

    @operation("Failed to expire signed preview url: ")
    async def expire_signed_preview_url(
        self, port: int, token: str, request_timeout: float | None = None
    ) -> None:
        """Invalidate a signed preview URL now."""
        path = f"{self._path}/ports/{int(port)}/signed-preview-url/{segment(token)}/expire"
        await self._api.call("POST", path, timeout=request_timeout)

    @operation("Failed to create SSH access: ")
    async def create_ssh_access(
        self, expires_in_minutes: int | None = None, request_timeout: float | None = None
    ) -> SshAccessDto:
        """Return a token and a command to log in with; all earlier tokens of this sandbox become invalid."""
        return await self._api.call(
            "POST",
            f"{self._path}/ssh-access",
            query={"expiresInMinutes": expires_in_minutes},
            into=SshAccessDto,
            timeout=request_timeout,
        )

    @operation("Failed to revoke SSH access: ")
    async def revoke_ssh_access(self, token: str, request_timeout: float | None = None) -> None:
        """Invalidate one token; open connections stay open."""
        if not token:
            raise DaytonaValidationError("An empty token would revoke every access of the sandbox")
        await self._api.call(
            "DELETE", f"{self._path}/ssh-access", query={"token": token}, timeout=request_timeout
        )

    @operation("Failed to validate SSH access: ")
    async def validate_ssh_access(
        self, token: str, request_timeout: float | None = None
    ) -> SshAccessValidationDto:
        """Return whether a token is valid, and for which sandbox, which may be another one."""
        return await self._api.call(
            "GET",
            "/sandbox/ssh-access/validate",
            query={"token": token},
            into=SshAccessValidationDto,
            timeout=request_timeout,
        )

    @operation("Failed to create download URL: ")
    async def download_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return a URL that downloads a file without a key.

        Args:
            path: Path in the sandbox.
            ttl_seconds: How long it is valid; None means an hour, 0 forever.
        """
        return await self._signed_urls.url("GET", "/files/download", path, ttl_seconds)

    @operation("Failed to create upload URL: ")
    async def upload_url(self, path: str, ttl_seconds: int | None = None) -> str:
        """Return a URL to which a file can be posted without a key, as the form field `file` or as the plain body."""
        return await self._signed_urls.url("POST", "/files/upload-v2", path, ttl_seconds)

    @operation("Failed to rotate signing key: ")
    async def rotate_signing_key(self) -> None:
        """Invalidate all signed file URLs that were created so far."""
        await self._signed_urls.rotate()

    # -- Inside ---------------------------------------------------------------------------------------------------

    @operation("Failed to get user home directory: ")
    async def get_user_home_dir(self) -> str:
        """Return the home directory of the user that runs programs."""
        return (await self._toolbox.call("GET", "/user-home-dir", into=Directory)).dir

    async def get_user_root_dir(self) -> str:
        """Deprecated: use `get_user_home_dir`."""
        warnings.warn(
            "get_user_root_dir is deprecated; use get_user_home_dir", DeprecationWarning, stacklevel=2
        )
        return await self.get_user_home_dir()

    @operation("Failed to get working directory path: ")
    async def get_work_dir(self) -> str:
        """Return the working directory, in which programs start and relative paths are resolved."""
        return (await self._toolbox.call("GET", "/work-dir", into=Directory)).dir

    @operation("Failed to get sandbox metrics: ")
    async def get_metrics_latest(self) -> SandboxMetrics:
        """Return the current resource usage of this sandbox; sizes are in bytes, and unknown values are 0."""
        from . import _metrics  # few programs ask

        return _metrics.record_of(await self._toolbox.call("GET", "/system/metrics", into=SystemMetrics))

    @operation("Failed to get sandbox metrics: ")
    async def get_metrics(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> list[SandboxMetrics]:
        """Return the resource usage of this sandbox over time, oldest first; sizes are in bytes, unknown values are 0.

        Args:
            start: The beginning; None means the sandbox's creation. Times without a zone are in UTC.
            end: The end; None means now.
        """
        from . import _metrics

        first = _metrics.moment(start) if start is not None else _metrics.parsed(self._data.created_at)
        last = _metrics.moment(end) if end is not None else datetime.now(UTC)
        return _metrics.by_time(await _metrics.ask(self._api, self._data, first, last))


def _minutes(interval: int) -> int:
    if interval < 0:
        raise DaytonaValidationError(f"{interval} minutes: the interval must be 0 or more")
    return int(interval)


def _failure_of(data: SandboxData) -> DaytonaError:
    """Return the error for a sandbox that cannot become what is waited for any more."""
    kind: type[DaytonaError]
    if data.queue_timed_out_at:
        kind, why = DaytonaQueueTimeoutError, f"it waited for free capacity until {data.queue_timed_out_at}"
    elif data.spot_evicted_at:
        kind, why = DaytonaSpotEvictedError, f"its capacity was taken back at {data.spot_evicted_at}"
    else:
        kind, why = DaytonaError, f"error reason: {data.error_reason or 'none given'}"
    return kind(f"Sandbox {data.id} entered error state: {data.state}, {why}", sandbox_id=data.id)
