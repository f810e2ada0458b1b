"""Names that programs import from `daytona.common.filesystem`."""

from daytona.errors import DaytonaError as DaytonaError, DaytonaValidationError as DaytonaValidationError
from daytona.models.files import (
    CancelEvent as CancelEvent,
    DownloadProgress as DownloadProgress,
    FileDownloadErrorDetails as FileDownloadErrorDetails,
    FileDownloadRequest as FileDownloadRequest,
    FileDownloadResponse as FileDownloadResponse,
    FileUpload as FileUpload,
    UploadProgress as UploadProgress,
)
