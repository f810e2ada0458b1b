"""Names that programs import from `daytona.common.git`."""

from daytona.models.git import GitCommitResponse as GitCommitResponse
