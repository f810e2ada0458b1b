"""Names that programs import from `daytona.common.process`."""

from daytona.models.charts import Chart as Chart
from daytona.models.process import (
    CodeRunParams as CodeRunParams,
    ExecuteResponse as ExecuteResponse,
    ExecutionArtifacts as ExecutionArtifacts,
    OutputHandler as OutputHandler,
    SessionCommandLogsResponse as SessionCommandLogsResponse,
    SessionExecuteRequest as SessionExecuteRequest,
    SessionExecuteResponse as SessionExecuteResponse,
)
