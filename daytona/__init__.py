"""The Daytona SDK: sandboxes for programs, from blocking code, asyncio or trio.

Every public name is here and is loaded when it is first used, so that `import daytona` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

# Type checkers know it by its name; importing `typing` for it would take most of the time this file takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from daytona.blocking.code_interpreter import CodeInterpreter as CodeInterpreter
    from daytona.blocking.filesystem import FileSystem as FileSystem
    from daytona.blocking.git import Git as Git
    from daytona.blocking.process import Process as Process
    from daytona.blocking.pty import PtyHandle as PtyHandle
    from daytona.blocking.sandbox import Sandbox as Sandbox
    from daytona.blocking.secret import SecretService as SecretService
    from daytona.blocking.snapshot import SnapshotService as SnapshotService
    from daytona.blocking.volume import VolumeService as VolumeService
    from daytona.blocking.warm_pool import WarmPoolService as WarmPoolService
    from daytona.client import (
        AsyncDaytona as AsyncDaytona,
        Daytona as Daytona,
    )
    from daytona.computer_use import (
        Accessibility as Accessibility,
        AsyncAccessibility as AsyncAccessibility,
        AsyncComputerUse as AsyncComputerUse,
        AsyncDisplay as AsyncDisplay,
        AsyncKeyboard as AsyncKeyboard,
        AsyncMouse as AsyncMouse,
        AsyncRecordingService as AsyncRecordingService,
        AsyncScreenshot as AsyncScreenshot,
        ComputerUse as ComputerUse,
        Display as Display,
        Keyboard as Keyboard,
        Mouse as Mouse,
        RecordingService as RecordingService,
        Screenshot as Screenshot,
    )
    from daytona.config import DaytonaConfig as DaytonaConfig
    from daytona.errors import (
        DaytonaA11yUnavailableError as DaytonaA11yUnavailableError,
        DaytonaAuthenticationError as DaytonaAuthenticationError,
        DaytonaAuthorizationError as DaytonaAuthorizationError,
        DaytonaBadGatewayError as DaytonaBadGatewayError,
        DaytonaBadRequestError as DaytonaBadRequestError,
        DaytonaCertificateError as DaytonaCertificateError,
        DaytonaClosedError as DaytonaClosedError,
        DaytonaCommandAlreadyCompletedError as DaytonaCommandAlreadyCompletedError,
        DaytonaCommandFailedError as DaytonaCommandFailedError,
        DaytonaConflictError as DaytonaConflictError,
        DaytonaConnectionError as DaytonaConnectionError,
        DaytonaConnectionTimeoutError as DaytonaConnectionTimeoutError,
        DaytonaError as DaytonaError,
        DaytonaFileAccessDeniedError as DaytonaFileAccessDeniedError,
        DaytonaFileNotFoundError as DaytonaFileNotFoundError,
        DaytonaFileReadFailedError as DaytonaFileReadFailedError,
        DaytonaForbiddenError as DaytonaForbiddenError,
        DaytonaGitAuthFailedError as DaytonaGitAuthFailedError,
        DaytonaGitBranchExistsError as DaytonaGitBranchExistsError,
        DaytonaGitBranchNotFoundError as DaytonaGitBranchNotFoundError,
        DaytonaGitDirtyWorktreeError as DaytonaGitDirtyWorktreeError,
        DaytonaGitMergeConflictError as DaytonaGitMergeConflictError,
        DaytonaGitPushRejectedError as DaytonaGitPushRejectedError,
        DaytonaGitRemoteRejectedError as DaytonaGitRemoteRejectedError,
        DaytonaGitRepoNotFoundError as DaytonaGitRepoNotFoundError,
        DaytonaGitTransportFailedError as DaytonaGitTransportFailedError,
        DaytonaGoneError as DaytonaGoneError,
        DaytonaInternalServerError as DaytonaInternalServerError,
        DaytonaInvalidFilePathError as DaytonaInvalidFilePathError,
        DaytonaLocalPlatformError as DaytonaLocalPlatformError,
        DaytonaLspServerNotInitializedError as DaytonaLspServerNotInitializedError,
        DaytonaNotFoundError as DaytonaNotFoundError,
        DaytonaNotSupportedError as DaytonaNotSupportedError,
        DaytonaPluginError as DaytonaPluginError,
        DaytonaPluginMissingError as DaytonaPluginMissingError,
        DaytonaProcessExecutionTimeoutError as DaytonaProcessExecutionTimeoutError,
        DaytonaProcessNotFoundError as DaytonaProcessNotFoundError,
        DaytonaProxyError as DaytonaProxyError,
        DaytonaQueueTimeoutError as DaytonaQueueTimeoutError,
        DaytonaQuotaExceededError as DaytonaQuotaExceededError,
        DaytonaRateLimitError as DaytonaRateLimitError,
        DaytonaRecordingFfmpegNotFoundError as DaytonaRecordingFfmpegNotFoundError,
        DaytonaRecordingStillActiveError as DaytonaRecordingStillActiveError,
        DaytonaSandboxEndedError as DaytonaSandboxEndedError,
        DaytonaServiceUnavailableError as DaytonaServiceUnavailableError,
        DaytonaSessionEndedError as DaytonaSessionEndedError,
        DaytonaSpotEvictedError as DaytonaSpotEvictedError,
        DaytonaTimeoutError as DaytonaTimeoutError,
        DaytonaUnprocessableEntityError as DaytonaUnprocessableEntityError,
        DaytonaValidationError as DaytonaValidationError,
    )
    from daytona.image import Image as Image
    from daytona.lsp_server import (
        AsyncLspServer as AsyncLspServer,
        LspServer as LspServer,
    )
    from daytona.models.access import (
        PortPreviewUrl as PortPreviewUrl,
        SignedPortPreviewUrl as SignedPortPreviewUrl,
        SshAccessDto as SshAccessDto,
        SshAccessValidationDto as SshAccessValidationDto,
    )
    from daytona.models.charts import (
        BarChart as BarChart,
        BarData as BarData,
        BoxAndWhiskerChart as BoxAndWhiskerChart,
        BoxAndWhiskerData as BoxAndWhiskerData,
        Chart as Chart,
        Chart2D as Chart2D,
        ChartElement as ChartElement,
        CompositeChart as CompositeChart,
        LineChart as LineChart,
        PieChart as PieChart,
        PieData as PieData,
        PointChart as PointChart,
        PointData as PointData,
        ScatterChart as ScatterChart,
    )
    from daytona.models.computer_use import (
        AccessibilityNode as AccessibilityNode,
        DisplayInfo as DisplayInfo,
        Recording as Recording,
        ScreenshotOptions as ScreenshotOptions,
        ScreenshotRegion as ScreenshotRegion,
        ScreenshotResponse as ScreenshotResponse,
        WindowInfo as WindowInfo,
    )
    from daytona.models.enums import (
        ChartType as ChartType,
        CodeLanguage as CodeLanguage,
        GpuType as GpuType,
        LspLanguageId as LspLanguageId,
        SandboxClass as SandboxClass,
        SandboxDesiredState as SandboxDesiredState,
        SandboxListSortDirection as SandboxListSortDirection,
        SandboxListSortField as SandboxListSortField,
        SandboxState as SandboxState,
        SnapshotState as SnapshotState,
        Status as Status,
        VolumeState as VolumeState,
    )
    from daytona.models.files import (
        CancelEvent as CancelEvent,
        DownloadProgress as DownloadProgress,
        FileDownloadErrorDetails as FileDownloadErrorDetails,
        FileDownloadRequest as FileDownloadRequest,
        FileDownloadResponse as FileDownloadResponse,
        FileInfo as FileInfo,
        FileUpload as FileUpload,
        Match as Match,
        ReplaceResult as ReplaceResult,
        SearchFilesResponse as SearchFilesResponse,
        UploadProgress as UploadProgress,
    )
    from daytona.models.git import (
        FileStatus as FileStatus,
        GitCommitResponse as GitCommitResponse,
        GitRemote as GitRemote,
        GitStatus as GitStatus,
        ListBranchResponse as ListBranchResponse,
    )
    from daytona.models.interpreter import (
        ExecutionError as ExecutionError,
        ExecutionResult as ExecutionResult,
        InterpreterContext as InterpreterContext,
        InterpreterEvent as InterpreterEvent,
        OutputMessage as OutputMessage,
        RichResult as RichResult,
    )
    from daytona.models.lsp import (
        CompletionItem as CompletionItem,
        CompletionList as CompletionList,
        LspCodeAction as LspCodeAction,
        LspCompletionPosition as LspCompletionPosition,
        LspDiagnostic as LspDiagnostic,
        LspHover as LspHover,
        LspLocation as LspLocation,
        LspPosition as LspPosition,
        LspRange as LspRange,
        LspSymbol as LspSymbol,
        LspTextEdit as LspTextEdit,
        LspWorkspaceEdit as LspWorkspaceEdit,
    )
    from daytona.models.params import (
        CreateSandboxBaseParams as CreateSandboxBaseParams,
        CreateSandboxFromImageParams as CreateSandboxFromImageParams,
        CreateSandboxFromSnapshotParams as CreateSandboxFromSnapshotParams,
        CreateSecretParams as CreateSecretParams,
        CreateSnapshotParams as CreateSnapshotParams,
        ListSandboxesQuery as ListSandboxesQuery,
        Resources as Resources,
        UpdateSecretParams as UpdateSecretParams,
    )
    from daytona.models.process import (
        CodeRunParams as CodeRunParams,
        Command as Command,
        ExecuteResponse as ExecuteResponse,
        ExecutionArtifacts as ExecutionArtifacts,
        OutputHandler as OutputHandler,
        Session as Session,
        SessionCommandLogsResponse as SessionCommandLogsResponse,
        SessionExecuteRequest as SessionExecuteRequest,
        SessionExecuteResponse as SessionExecuteResponse,
    )
    from daytona.models.pty import (
        PtyResult as PtyResult,
        PtySessionInfo as PtySessionInfo,
        PtySize as PtySize,
    )
    from daytona.models.sandbox import BuildInfo as BuildInfo
    from daytona.models.secret import (
        ListSecretsResponse as ListSecretsResponse,
        Secret as Secret,
    )
    from daytona.models.snapshot import (
        PaginatedSnapshots as PaginatedSnapshots,
        Snapshot as Snapshot,
    )
    from daytona.models.system import SandboxMetrics as SandboxMetrics
    from daytona.models.volume import (
        Volume as Volume,
        VolumeMount as VolumeMount,
    )
    from daytona.models.warm_pool import WarmPool as WarmPool
    from daytona.object_storage import (
        AsyncObjectStorage as AsyncObjectStorage,
        ObjectStorage as ObjectStorage,
    )
    from daytona.services.code_interpreter import AsyncCodeInterpreter as AsyncCodeInterpreter
    from daytona.services.filesystem import AsyncFileSystem as AsyncFileSystem
    from daytona.services.git import AsyncGit as AsyncGit
    from daytona.services.process import AsyncProcess as AsyncProcess
    from daytona.services.pty import AsyncPtyHandle as AsyncPtyHandle
    from daytona.services.sandbox import AsyncSandbox as AsyncSandbox
    from daytona.services.secret import AsyncSecretService as AsyncSecretService
    from daytona.services.snapshot import AsyncSnapshotService as AsyncSnapshotService
    from daytona.services.volume import AsyncVolumeService as AsyncVolumeService
    from daytona.services.warm_pool import AsyncWarmPoolService as AsyncWarmPoolService

# Where each name lives; the imports above say the same to type checkers.
_NAMES_OF = {
    "daytona.blocking.code_interpreter": "CodeInterpreter",
    "daytona.blocking.filesystem": "FileSystem",
    "daytona.blocking.git": "Git",
    "daytona.blocking.process": "Process",
    "daytona.blocking.pty": "PtyHandle",
    "daytona.blocking.sandbox": "Sandbox",
    "daytona.blocking.secret": "SecretService",
    "daytona.blocking.snapshot": "SnapshotService",
    "daytona.blocking.volume": "VolumeService",
    "daytona.blocking.warm_pool": "WarmPoolService",
    "daytona.client": "AsyncDaytona Daytona",
    "daytona.computer_use": """
        Accessibility AsyncAccessibility AsyncComputerUse AsyncDisplay AsyncKeyboard
        AsyncMouse AsyncRecordingService AsyncScreenshot ComputerUse Display Keyboard Mouse
        RecordingService Screenshot
    """,
    "daytona.config": "DaytonaConfig",
    "daytona.errors": """
        DaytonaA11yUnavailableError DaytonaAuthenticationError DaytonaAuthorizationError
        DaytonaBadGatewayError DaytonaBadRequestError DaytonaCertificateError DaytonaClosedError
        DaytonaCommandAlreadyCompletedError DaytonaCommandFailedError DaytonaConflictError DaytonaConnectionError
        DaytonaConnectionTimeoutError DaytonaError DaytonaFileAccessDeniedError
        DaytonaFileNotFoundError DaytonaFileReadFailedError DaytonaForbiddenError
        DaytonaGitAuthFailedError DaytonaGitBranchExistsError DaytonaGitBranchNotFoundError
        DaytonaGitDirtyWorktreeError DaytonaGitMergeConflictError DaytonaGitPushRejectedError
        DaytonaGitRemoteRejectedError DaytonaGitRepoNotFoundError DaytonaGitTransportFailedError
        DaytonaGoneError DaytonaInternalServerError DaytonaInvalidFilePathError
        DaytonaLocalPlatformError DaytonaLspServerNotInitializedError DaytonaNotFoundError
        DaytonaNotSupportedError DaytonaPluginError DaytonaPluginMissingError
        DaytonaProcessExecutionTimeoutError
        DaytonaProcessNotFoundError DaytonaProxyError DaytonaQueueTimeoutError DaytonaQuotaExceededError
        DaytonaRateLimitError
        DaytonaRecordingFfmpegNotFoundError DaytonaRecordingStillActiveError DaytonaSandboxEndedError
        DaytonaServiceUnavailableError DaytonaSessionEndedError DaytonaSpotEvictedError
        DaytonaTimeoutError DaytonaUnprocessableEntityError DaytonaValidationError
    """,
    "daytona.image": "Image",
    "daytona.lsp_server": "AsyncLspServer LspServer",
    "daytona.models.access": """
        PortPreviewUrl SignedPortPreviewUrl SshAccessDto SshAccessValidationDto
    """,
    "daytona.models.charts": """
        BarChart BarData BoxAndWhiskerChart BoxAndWhiskerData Chart Chart2D ChartElement
        CompositeChart LineChart PieChart PieData PointChart PointData ScatterChart
    """,
    "daytona.models.computer_use": """
        AccessibilityNode DisplayInfo Recording ScreenshotOptions ScreenshotRegion
        ScreenshotResponse WindowInfo
    """,
    "daytona.models.enums": """
        ChartType CodeLanguage GpuType LspLanguageId SandboxClass SandboxDesiredState
        SandboxListSortDirection SandboxListSortField SandboxState SnapshotState Status VolumeState
    """,
    "daytona.models.files": """
        CancelEvent DownloadProgress FileDownloadErrorDetails FileDownloadRequest
        FileDownloadResponse FileInfo FileUpload Match ReplaceResult SearchFilesResponse
        UploadProgress
    """,
    "daytona.models.git": "FileStatus GitCommitResponse GitRemote GitStatus ListBranchResponse",
    "daytona.models.interpreter": """
        ExecutionError ExecutionResult InterpreterContext InterpreterEvent OutputMessage RichResult
    """,
    "daytona.models.lsp": """
        CompletionItem CompletionList LspCodeAction LspCompletionPosition LspDiagnostic LspHover LspLocation
        LspPosition LspRange LspSymbol LspTextEdit LspWorkspaceEdit
    """,
    "daytona.models.params": """
        CreateSandboxBaseParams CreateSandboxFromImageParams CreateSandboxFromSnapshotParams
        CreateSecretParams CreateSnapshotParams ListSandboxesQuery Resources UpdateSecretParams
    """,
    "daytona.models.process": """
        CodeRunParams Command ExecuteResponse ExecutionArtifacts OutputHandler Session
        SessionCommandLogsResponse SessionExecuteRequest SessionExecuteResponse
    """,
    "daytona.models.pty": "PtyResult PtySessionInfo PtySize",
    "daytona.models.sandbox": "BuildInfo",
    "daytona.models.secret": "ListSecretsResponse Secret",
    "daytona.models.snapshot": "PaginatedSnapshots Snapshot",
    "daytona.models.system": "SandboxMetrics",
    "daytona.models.volume": "Volume VolumeMount",
    "daytona.models.warm_pool": "WarmPool",
    "daytona.object_storage": "AsyncObjectStorage ObjectStorage",
    "daytona.services.code_interpreter": "AsyncCodeInterpreter",
    "daytona.services.filesystem": "AsyncFileSystem",
    "daytona.services.git": "AsyncGit",
    "daytona.services.process": "AsyncProcess",
    "daytona.services.pty": "AsyncPtyHandle",
    "daytona.services.sandbox": "AsyncSandbox",
    "daytona.services.secret": "AsyncSecretService",
    "daytona.services.snapshot": "AsyncSnapshotService",
    "daytona.services.volume": "AsyncVolumeService",
    "daytona.services.warm_pool": "AsyncWarmPoolService",
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}

__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]  # one table, not two


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
