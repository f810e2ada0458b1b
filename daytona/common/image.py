"""Names that programs import from `daytona.common.image`."""

from daytona.build_files import Context as Context
from daytona.errors import (
    DaytonaNotFoundError as DaytonaNotFoundError,
    DaytonaValidationError as DaytonaValidationError,
)
from daytona.image import Image as Image, SupportedPythonSeries as SupportedPythonSeries
