"""Names that programs import from `daytona.common.volume`."""

from daytona.models.volume import (
    Volume as Volume,
    VolumeMount as VolumeMount,
)
