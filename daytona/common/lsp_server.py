"""Names that programs import from `daytona.common.lsp_server`."""

from daytona.models.enums import LspLanguageId as LspLanguageId
from daytona.models.lsp import LspCompletionPosition as LspCompletionPosition
