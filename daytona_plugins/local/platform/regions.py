"""The one place where sandboxes of this platform can be, and whose they are."""

from __future__ import annotations

from daytona_plugins.local.web import HTTPError

REGION_ID = "local"
REGION_NAME = "local"

HOSTED_REGIONS = ("eu", "us")
"""Programs written for the hosted platform name one of its regions; here they mean this one."""

ORGANIZATION_ID = "00000000-0000-4000-8000-000000000001"
USER_ID = "local"
RUNNER_ID = "00000000-0000-4000-8000-000000000002"

SINCE = "2026-01-01T00:00:00.000Z"
SINCE_SECONDS = 1767225600.0


def refuse_elsewhere(region: str | None) -> None:
    """Refuse a region that is not here.

    Raises:
        HTTPError: It is not.
    """
    if region and region not in (REGION_ID, REGION_NAME, *HOSTED_REGIONS):
        raise HTTPError(404, f"region {region!r} not found; this platform is the region {REGION_NAME!r}")


def require_ours(organization: str) -> None:
    """Refuse to speak of another organization.

    Raises:
        HTTPError: It is not the one that the key belongs to (403).
    """
    if organization != ORGANIZATION_ID:
        raise HTTPError(403, "Invalid authentication context")


def region() -> dict[str, object]:
    """Return the region as the wire shows it."""
    return {
        "id": REGION_ID,
        "name": REGION_NAME,
        "organizationId": None,
        "regionType": "shared",
        "createdAt": SINCE,
        "updatedAt": SINCE,
    }
