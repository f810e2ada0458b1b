"""Names that programs import from `daytona.common.daytona`."""

from daytona.config import DaytonaConfig as DaytonaConfig
from daytona.image import Image as Image
from daytona.models.enums import CodeLanguage as CodeLanguage
from daytona.models.params import (
    CreateSandboxBaseParams as CreateSandboxBaseParams,
    CreateSandboxFromImageParams as CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams as CreateSandboxFromSnapshotParams,
    Resources as Resources,
)
from daytona.models.volume import VolumeMount as VolumeMount
