"""The routes below `/api/organizations` and `/api/users`: who this is, what is in use, and how much may be.

There is one organization and one user, who owns the files of the platform. What would change that is refused.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform import snapshots, volumes
from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.quotas import UNLIMITED, Quota
from daytona_plugins.local.platform.regions import (
    ORGANIZATION_ID,
    REGION_ID,
    SINCE,
    USER_ID,
    refuse_elsewhere,
    require_ours,
)
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.collectors import Collector
    from daytona_plugins.local.platform.organization import Organization
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.snapshots import Snapshots
    from daytona_plugins.local.web import Handler, Request, Router

CLASS = "container"
_NEVER = "1970-01-01T00:00:00.000Z"


class DefaultRegion(msgspec.Struct, rename="camel"):
    """The body of `PATCH …/default-region`."""

    default_region_id: str


class SetQuota(msgspec.Struct, rename="camel", kw_only=True):
    """The body of `PATCH …/quota/{region}`: null is no limit, and what is left out of the second half has none."""

    total_cpu_quota: int | None
    total_memory_quota: int | None
    total_disk_quota: int | None
    total_gpu_quota: int | None
    max_cpu_per_sandbox: int | None = None
    max_memory_per_sandbox: int | None = None
    max_disk_per_sandbox: int | None = None


class OrganizationRoutes:
    """What can be asked about the organization and its user."""

    def __init__(self, organization: Organization, sandboxes: Sandboxes, snapshots: Snapshots) -> None:
        self._organization = organization
        self._sandboxes = sandboxes
        self._snapshots = snapshots

    def add_to(self, router: Router) -> None:
        """Register every route."""
        one = "/api/organizations/{organization}"
        router.add("GET", "/api/organizations", self.list)
        router.add("GET", "/api/organizations/invitations", _answering([]))
        router.add("GET", "/api/organizations/invitations/count", _answering(0))
        router.add("GET", one, self.get)
        router.add("GET", f"{one}/usage", self.usage)
        router.add("PATCH", f"{one}/quota/{{region}}", self.set_quota)
        router.add("PATCH", f"{one}/default-region", self.set_default_region)
        router.add("GET", f"{one}/available-sandbox-classes", self.classes)
        router.add("GET", f"{one}/gpu-capacity", self.gpus)
        router.add("GET", f"{one}/users", self.members)
        for nothing in ("roles", "invitations", "identity-providers"):
            router.add("GET", f"{one}/{nothing}", self._nothing)
        router.add("GET", "/api/users/me", _answering(user()))
        router.add("GET", "/api/users/account-providers", _answering([]))
        router.add("GET", "/api/users/me/pending-sso-links", _answering([]))
        router.add("GET", "/api/runners", _answering([]))
        router.add("GET", "/api/sandbox/{sandbox}/organization", self.of_sandbox)
        router.add("GET", "/api/sandbox/{sandbox}/region-quota", self.quota_of_sandbox)

    async def list(self, _request: Request) -> Response:
        """Name the one organization."""
        return json_response([self._shown()])

    async def get(self, request: Request) -> Response:
        """Show the organization."""
        require_ours(request.params["organization"])
        return json_response(self._shown())

    async def of_sandbox(self, request: Request) -> Response:
        """Show whose a sandbox is."""
        self._sandboxes.get(request.params["sandbox"])
        return json_response(self._shown())

    async def usage(self, request: Request) -> Response:
        """Say how much of everything is in use."""
        require_ours(request.params["organization"])
        used = self._sandboxes.quotas.usage()
        region = self._limits() | {
            "currentCpuUsage": used.cpu,
            "currentMemoryUsage": used.memory,
            "currentDiskUsage": used.disk,
            "currentGpuUsage": 0,
        }
        return json_response(
            {
                "regionUsage": [region],
                "totalSnapshotQuota": snapshots.QUOTA,
                "currentSnapshotUsage": self._snapshots.counted(),
                "totalVolumeQuota": volumes.QUOTA,
                "currentVolumeUsage": len(self._organization.volumes.all()),
            }
        )

    async def quota_of_sandbox(self, request: Request) -> Response:
        """Say what limits hold where a sandbox is."""
        self._sandboxes.get(request.params["sandbox"])
        return json_response(self._limits() | {"organizationId": ORGANIZATION_ID, "maxSandboxLifespan": None})

    async def set_quota(self, request: Request) -> Response:
        """Limit what all sandboxes may have together."""
        require_ours(request.params["organization"])
        refuse_elsewhere(request.params["region"])
        body = await read_body(request, SetQuota)
        if any(size is not None and size < 0 for size in msgspec.structs.astuple(body)):
            raise HTTPError(400, "a quota is not negative; null takes it away")
        self._sandboxes.quotas.set(
            Quota(
                cpu=body.total_cpu_quota,
                memory=body.total_memory_quota,
                disk=body.total_disk_quota,
                cpu_of_one=body.max_cpu_per_sandbox,
                memory_of_one=body.max_memory_per_sandbox,
                disk_of_one=body.max_disk_per_sandbox,
            )
        )
        return Response(204)

    async def set_default_region(self, request: Request) -> Response:
        """Agree to the one region as the default."""
        require_ours(request.params["organization"])
        refuse_elsewhere((await read_body(request, DefaultRegion)).default_region_id)
        return Response(204)

    async def classes(self, request: Request) -> Response:
        """Say of which kinds sandboxes can be."""
        require_ours(request.params["organization"])
        return json_response([{"regionId": REGION_ID, "sandboxClass": CLASS, "gpuAvailable": False}])

    async def gpus(self, request: Request) -> Response:
        """Say how many GPUs are free: none."""
        require_ours(request.params["organization"])
        return json_response({"observedAt": iso(self._sandboxes.clock()), "capacity": []})

    async def members(self, request: Request) -> Response:
        """Name the one member."""
        require_ours(request.params["organization"])
        me = user()
        member: dict[str, object] = {
            "userId": USER_ID,
            "organizationId": ORGANIZATION_ID,
            "name": me["name"],
            "email": me["email"],
            "role": "owner",
            "assignedRoles": [],
            "createdAt": SINCE,
            "updatedAt": SINCE,
        }
        return json_response([member])

    async def _nothing(self, request: Request) -> Response:
        require_ours(request.params["organization"])
        return json_response([])

    def _limits(self) -> dict[str, object]:
        quota, most = self._sandboxes.quotas.quota, self._sandboxes.capacity
        return {
            "regionId": REGION_ID,
            "sandboxClass": CLASS,
            "totalCpuQuota": _or_unlimited(quota.cpu),
            "totalMemoryQuota": _or_unlimited(quota.memory),
            "totalDiskQuota": _or_unlimited(quota.disk),
            "totalGpuQuota": 0,
            "maxCpuPerSandbox": min(most.cpu, _or_unlimited(quota.cpu_of_one)),
            "maxMemoryPerSandbox": min(most.memory, _or_unlimited(quota.memory_of_one)),
            "maxDiskPerSandbox": min(most.disk, _or_unlimited(quota.disk_of_one)),
            **dict.fromkeys(
                ("maxDiskPerNonEphemeralSandbox", "maxCpuPerGpu", "maxMemoryPerGpu", "maxDiskPerGpu")
            ),
        }

    def _shown(self) -> dict[str, object]:
        limits = self._limits()
        return {
            "id": ORGANIZATION_ID,
            "name": "local",
            "createdBy": USER_ID,
            "personal": True,
            "createdAt": SINCE,
            "updatedAt": SINCE,
            # Never, but the official Python client wants times here, and a text.
            "suspended": False,
            "suspendedAt": _NEVER,
            "suspensionReason": "",
            "suspendedUntil": _NEVER,
            "suspensionCleanupGracePeriodHours": 0,
            **{
                name: limits[name]
                for name in ("maxCpuPerSandbox", "maxMemoryPerSandbox", "maxDiskPerSandbox")
            },
            "secretQuota": UNLIMITED,
            "maxSecretsPerSandbox": UNLIMITED,
            "snapshotDeactivationTimeoutMinutes": snapshots.UNUSED_SECONDS / 60,
            "sandboxLimitedNetworkEgress": False,
            "previewWarningEnabled": False,
            "ssoEnabled": False,
            "scimEnabled": False,
            "defaultRegionId": REGION_ID,
            "experimentalConfig": {},
            "otelConfig": _masked(self._sandboxes.collectors.common),
            "defaultQueueTimeout": None,
            **{
                f"{bucket}RateLimit{unit}": None
                for bucket in ("authenticated", "sandboxCreate", "sandboxLifecycle")
                for unit in ("", "TtlSeconds")
            },
        }


def user() -> dict[str, object]:
    """Return the one user as the wire shows it: whoever runs the platform."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without an entry, as in some containers
        name = str(os.getuid())
    return {
        "id": USER_ID,
        "name": name,
        "email": f"{name}@localhost",
        "emailVerified": False,
        "publicKeys": [],
        "createdAt": SINCE,
    }


def _masked(collector: Collector | None) -> dict[str, object] | None:
    """Return where metrics are sent to, without what opens the door there."""
    if collector is None:
        return None
    headers = dict.fromkeys(collector.headers or {}, "*" * 8)
    return {"endpoint": collector.endpoint, "headers": headers, "organizationId": ORGANIZATION_ID}


def _answering(answer: object) -> Handler:
    async def handler(_request: Request) -> Response:
        return json_response(answer)

    return handler


def _or_unlimited(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit
