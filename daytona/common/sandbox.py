"""Names that programs import from `daytona.common.sandbox`."""

from daytona.models.enums import (
    GpuType as GpuType,
    SandboxListSortDirection as SandboxListSortDirection,
    SandboxListSortField as SandboxListSortField,
    SandboxState as SandboxState,
)
from daytona.models.params import (
    ListSandboxesQuery as ListSandboxesQuery,
    Resources as Resources,
)
from daytona.models.sandbox import TOOLBOX_PORT as TOOLBOX_PORT
from daytona.models.system import SandboxMetrics as SandboxMetrics
