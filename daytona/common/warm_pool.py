"""Names that programs import from `daytona.common.warm_pool`."""

from daytona.models.warm_pool import WarmPool as WarmPool
