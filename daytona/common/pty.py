"""Names that programs import from `daytona.common.pty`."""

from daytona.models.pty import (
    PtyResult as PtyResult,
    PtySize as PtySize,
)
