"""A record as the wire shows it: every key that the official client requires, integers as integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from daytona_plugins.local.egress.certificates import can_sign
from daytona_plugins.local.platform.gates import HTTP_ONLY, NEEDS_RESTART
from daytona_plugins.local.platform.regions import ORGANIZATION_ID, REGION_ID, RUNNER_ID
from daytona_plugins.local.platform.states import State, shown
from daytona_plugins.local.platform.times import iso

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import BuildInfo, Record
    from daytona_plugins.local.runtime.spec import Isolation

_NOWHERE = frozenset({State.ARCHIVED, State.DESTROYED})
"""States in which no runner has the sandbox."""
_BACKUP_STATES = {State.ARCHIVING: "InProgress", State.ARCHIVED: "Completed"}
"""An archive is the one backup there is, and it is there as long as the sandbox is archived."""


def full(record: Record, toolbox_url: str, isolation: Isolation | None) -> dict[str, object]:
    """Return the whole `Sandbox` object, and how it is isolated while it runs."""
    more: dict[str, object] = {
        "state": shown(record.state, record.desired),
        "env": record.env,
        "kvm": False,
        "volumes": record.volumes,
        "buildInfo": build_info(record.build_info, record.created_at),
        "backupCreatedAt": None if record.backup_created_at is None else iso(record.backup_created_at),
        "outboundProxyUrl": record.outbound_proxy_url,
        "otelEndpointOverride": record.otel_endpoint,
        "linkedSandboxId": record.linked,
        "isolation": _with_notes(isolation, record),
    }
    return list_item(record, toolbox_url) | more


def list_item(record: Record, toolbox_url: str) -> dict[str, object]:
    """Return the shorter `SandboxListItem`."""
    return {
        "id": record.id,
        "organizationId": ORGANIZATION_ID,
        "name": record.name,
        "snapshot": record.snapshot,
        "user": record.user,
        "labels": record.labels,
        "public": record.public,
        "networkBlockAll": record.network_block_all,
        "networkAllowList": record.network_allow_list,
        "domainAllowList": record.domain_allow_list,
        "target": REGION_ID,
        "cpu": record.cpu,
        "gpu": 0,
        "gpuType": None,
        "spot": False,
        "spotEvictedAt": None,
        "memory": record.memory,
        "disk": record.disk,
        "state": shown(record.state, record.desired, in_list=True),
        "desiredState": record.desired,
        "errorReason": record.error_reason,
        "recoverable": record.recoverable,
        "backupState": _BACKUP_STATES.get(record.state, "None"),
        "autoStopInterval": number(record.auto_stop_interval),
        "autoPauseInterval": number(record.auto_pause_interval),
        "autoArchiveInterval": number(record.auto_archive_interval),
        "autoDeleteInterval": number(record.auto_delete_interval),
        "autoDestroyAt": None if record.auto_destroy_at is None else iso(record.auto_destroy_at),
        "createdAt": iso(record.created_at),
        "updatedAt": iso(record.updated_at),
        "lastActivityAt": iso(record.last_activity_at),
        "sandboxClass": "container",
        "daemonVersion": None,
        "runnerId": None if record.state in _NOWHERE else RUNNER_ID,
        "warmPoolId": record.warm_pool_id,
        "toolboxProxyUrl": toolbox_url,
    }


def _with_notes(isolation: Isolation | None, record: Record) -> Isolation | None:
    if isolation is None:
        return None
    notes = list(isolation.notes)
    if record.secrets and isolation.network == "host":
        notes.append(NEEDS_RESTART)
    elif record.secrets and not can_sign():
        notes.append(HTTP_ONLY)
    network = "none" if record.network_block_all else isolation.network
    return replace(isolation, network=network, notes=notes)


def number(value: float) -> int | float:
    """Return a number the way JavaScript would print it."""
    return int(value) if value == int(value) else value


def build_info(build: BuildInfo | None, created_at: float) -> dict[str, object] | None:
    """Return what an image was built from."""
    if build is None:
        return None
    return {
        "dockerfileContent": build.dockerfile,
        "contextHashes": build.context_hashes,
        "createdAt": iso(created_at),
        "updatedAt": iso(created_at),
        "snapshotRef": build.snapshot_ref,
    }
