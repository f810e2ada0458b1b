"""Names that programs import from `daytona.common.image`."""

from daytona.image import (
    Context as Context,
    Image as Image,
    SupportedPythonSeries as SupportedPythonSeries,
)
