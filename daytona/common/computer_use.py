"""Names that programs import from `daytona.common.computer_use`."""

from daytona.models.computer_use import (
    ScreenshotOptions as ScreenshotOptions,
    ScreenshotRegion as ScreenshotRegion,
)
