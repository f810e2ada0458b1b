"""What making and listing sandboxes asks of the platform: what users fill in, as the wire has it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, TypeAlias

from ..errors import DaytonaValidationError
from ..models.enums import CodeLanguage
from ..models.params import (
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
)
from ..models.sandbox import LANGUAGE_LABEL, CreateSandbox

if TYPE_CHECKING:
    from ..models.params import CreateSandboxBaseParams, ImageSource, ListSandboxesQuery
    from ..protocols.rest import QueryValue

__all__ = ["creation", "image_of", "is_left_alone", "listing"]

Params: TypeAlias = CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams


def image_of(params: Params | None) -> str | ImageSource | None:
    """Return what a new sandbox is built from; None when it is made from a snapshot."""
    return params.image if isinstance(params, CreateSandboxFromImageParams) else None


def creation(
    params: Params | None,
    default_language: CodeLanguage,
    target: str | None,
) -> CreateSandbox:
    """Return the request for a sandbox but for the image it is built from; the parameters are left as they are."""
    params = params if params is not None else CreateSandboxFromSnapshotParams()
    _check(params)
    from_image = params if isinstance(params, CreateSandboxFromImageParams) else None
    from_snapshot = params if isinstance(params, CreateSandboxFromSnapshotParams) else None
    resources = from_image.resources if from_image is not None else None
    return CreateSandbox(
        name=params.name or f"sandbox-{os.urandom(8).hex()}",
        snapshot=(from_snapshot.snapshot or None) if from_snapshot is not None else None,
        user=params.os_user,
        env=params.env_vars or {},
        labels={**(params.labels or {}), LANGUAGE_LABEL: _language(params.language, default_language)},
        public=params.public,
        network_block_all=params.network_block_all,
        kvm=params.kvm,
        network_allow_list=params.network_allow_list,
        domain_allow_list=params.domain_allow_list,
        outbound_proxy_url=params.outbound_proxy_url,
        otel_endpoint_override=params.otel_endpoint_override,
        target=params.target or target,
        spot=params.spot,
        auto_stop_interval=params.auto_stop_interval,
        auto_pause_interval=params.auto_pause_interval,
        auto_archive_interval=params.auto_archive_interval,
        auto_delete_interval=0 if params.ephemeral else params.auto_delete_interval,
        ttl_minutes=params.ttl_minutes,
        queue_timeout=params.queue_timeout,
        volumes=params.volumes or [],
        linked_sandbox=params.linked_sandbox,
        secrets=[{name: secret} for name, secret in params.secrets.items()] if params.secrets else None,
        cpu=resources.cpu if resources is not None else None,
        memory=resources.memory if resources is not None else None,
        disk=resources.disk if resources is not None else None,
        gpu=resources.gpu if resources is not None else None,
        gpu_type=resources.gpu_types() if resources is not None else None,
    )


def is_left_alone(params: Params | None) -> bool:
    """Return whether nothing was said about when a sandbox is to be deleted."""
    return params is None or (params.auto_delete_interval is None and not params.ephemeral)


def _check(params: CreateSandboxBaseParams) -> None:
    for name in ("auto_stop_interval", "auto_pause_interval", "auto_archive_interval", "ttl_minutes"):
        value = getattr(params, name)
        if value is not None and value < 0:
            raise DaytonaValidationError(f"{name}={value}: it must be 0 or more minutes")
    if params.auto_stop_interval and params.auto_pause_interval:
        raise DaytonaValidationError("Give auto_stop_interval or auto_pause_interval, not both")
    if params.auto_pause_interval and params.auto_delete_interval == 0:
        raise DaytonaValidationError("A sandbox that is deleted when it stops cannot be paused")
    queue_timeout = params.queue_timeout
    if queue_timeout is not None and (isinstance(queue_timeout, bool) or queue_timeout < 1):
        raise DaytonaValidationError(f"queue_timeout={queue_timeout}: it must be 1 or more")


def _language(wanted: CodeLanguage | str | None, default: CodeLanguage) -> str:
    if wanted is None:
        return default.value
    if wanted not in set(CodeLanguage):
        known = ", ".join(language.value for language in CodeLanguage)
        raise DaytonaValidationError(f"language={str(wanted)!r} is not one of {known}")
    return CodeLanguage(wanted).value


def listing(query: ListSandboxesQuery) -> dict[str, QueryValue]:
    """Return what *query* asks for, but for the page.

    Raises:
        DaytonaValidationError: A page would be empty.
    """
    if query.limit is not None and query.limit < 1:
        raise DaytonaValidationError(f"limit={query.limit} is less than 1")
    return {
        "limit": query.limit,
        "id": query.id,
        "name": query.name,
        "labels": json.dumps(query.labels) if query.labels else None,
        "states": query.states,
        "snapshots": query.snapshots,
        "regionIds": query.targets,
        "minCpu": query.min_cpu,
        "maxCpu": query.max_cpu,
        "minMemoryGiB": query.min_memory_gib,
        "maxMemoryGiB": query.max_memory_gib,
        "minDiskGiB": query.min_disk_gib,
        "maxDiskGiB": query.max_disk_gib,
        "isPublic": query.is_public,
        "isRecoverable": query.is_recoverable,
        "createdAtAfter": query.created_at_after,
        "createdAtBefore": query.created_at_before,
        "lastEventAfter": query.last_activity_after,
        "lastEventBefore": query.last_activity_before,
        "autoDestroyAtAfter": query.auto_destroy_at_after,
        "autoDestroyAtBefore": query.auto_destroy_at_before,
        "sort": query.sort,
        "order": query.order,
    }
