"""Names that programs import from `daytona.common.snapshot`."""

from daytona.image import Image as Image
from daytona.models.enums import SandboxClass as SandboxClass
from daytona.models.params import CreateSnapshotParams as CreateSnapshotParams, Resources as Resources
from daytona.models.sandbox import BuildInfo as BuildInfo
from daytona.models.snapshot import (
    PaginatedSnapshots as PaginatedSnapshots,
    Snapshot as Snapshot,
)
