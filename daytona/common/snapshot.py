"""Names that programs import from `daytona.common.snapshot`."""

from daytona.models.params import CreateSnapshotParams as CreateSnapshotParams
from daytona.models.snapshot import (
    PaginatedSnapshots as PaginatedSnapshots,
    Snapshot as Snapshot,
)
