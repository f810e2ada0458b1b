"""The one place where sandboxes of this platform can be, and whose they are."""

from __future__ import annotations

REGION_ID = "local"
REGION_NAME = "local"

ORGANIZATION_ID = "00000000-0000-4000-8000-000000000001"
USER_ID = "local"
RUNNER_ID = "00000000-0000-4000-8000-000000000002"

SINCE = "2026-01-01T00:00:00.000Z"


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
