"""Names that programs import from `daytona.common.code_interpreter`."""

from daytona.models.interpreter import (
    ExecutionError as ExecutionError,
    ExecutionResult as ExecutionResult,
    OutputMessage as OutputMessage,
)
