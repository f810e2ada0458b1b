"""Names: what programs import, from where, and what that costs."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import daytona

OFFICIAL = [
    "AsyncComputerUse",
    "AsyncDaytona",
    "AsyncDisplay",
    "AsyncKeyboard",
    "AsyncMouse",
    "AsyncSandbox",
    "AsyncScreenshot",
    "BarChart",
    "BoxAndWhiskerChart",
    "CancelEvent",
    "Chart",
    "ChartType",
    "CodeLanguage",
    "CodeRunParams",
    "CompositeChart",
    "CreateSandboxBaseParams",
    "CreateSandboxFromImageParams",
    "CreateSandboxFromSnapshotParams",
    "CreateSecretParams",
    "CreateSnapshotParams",
    "Daytona",
    "DaytonaA11yUnavailableError",
    "DaytonaAuthenticationError",
    "DaytonaAuthorizationError",
    "DaytonaBadGatewayError",
    "DaytonaBadRequestError",
    "DaytonaCommandAlreadyCompletedError",
    "DaytonaConfig",
    "DaytonaConflictError",
    "DaytonaConnectionError",
    "DaytonaConnectionTimeoutError",
    "DaytonaError",
    "DaytonaFileAccessDeniedError",
    "DaytonaFileNotFoundError",
    "DaytonaFileReadFailedError",
    "DaytonaForbiddenError",
    "DaytonaGitAuthFailedError",
    "DaytonaGitBranchExistsError",
    "DaytonaGitBranchNotFoundError",
    "DaytonaGitDirtyWorktreeError",
    "DaytonaGitMergeConflictError",
    "DaytonaGitPushRejectedError",
    "DaytonaGitRemoteRejectedError",
    "DaytonaGitRepoNotFoundError",
    "DaytonaGitTransportFailedError",
    "DaytonaGoneError",
    "DaytonaInternalServerError",
    "DaytonaInvalidFilePathError",
    "DaytonaLspServerNotInitializedError",
    "DaytonaNotFoundError",
    "DaytonaProcessExecutionTimeoutError",
    "DaytonaProcessNotFoundError",
    "DaytonaQueueTimeoutError",
    "DaytonaRateLimitError",
    "DaytonaRecordingFfmpegNotFoundError",
    "DaytonaRecordingStillActiveError",
    "DaytonaServiceUnavailableError",
    "DaytonaSessionEndedError",
    "DaytonaSpotEvictedError",
    "DaytonaTimeoutError",
    "DaytonaUnprocessableEntityError",
    "DaytonaValidationError",
    "DownloadProgress",
    "ExecuteResponse",
    "ExecutionArtifacts",
    "ExecutionError",
    "ExecutionResult",
    "FileDownloadErrorDetails",
    "FileDownloadRequest",
    "FileDownloadResponse",
    "FileUpload",
    "GpuType",
    "Image",
    "LineChart",
    "ListSandboxesQuery",
    "ListSecretsResponse",
    "LspCompletionPosition",
    "LspLanguageId",
    "OutputHandler",
    "OutputMessage",
    "PieChart",
    "PtySize",
    "Resources",
    "Sandbox",
    "SandboxClass",
    "SandboxListSortDirection",
    "SandboxListSortField",
    "SandboxMetrics",
    "SandboxState",
    "ScatterChart",
    "ScreenshotOptions",
    "ScreenshotRegion",
    "Secret",
    "SessionExecuteRequest",
    "SessionExecuteResponse",
    "UpdateSecretParams",
    "UploadProgress",
    "VolumeMount",
    "WarmPool",
]

COMMON = {
    "charts": "ChartType PointData BarData PieData BoxAndWhiskerData Chart Chart2D PointChart LineChart ScatterChart "
    "BarChart PieChart BoxAndWhiskerChart CompositeChart parse_chart",
    "code_interpreter": "OutputMessage ExecutionError ExecutionResult",
    "computer_use": "ScreenshotRegion ScreenshotOptions",
    "daytona": "CodeLanguage DaytonaConfig CreateSandboxBaseParams CreateSandboxFromImageParams "
    "CreateSandboxFromSnapshotParams",
    "errors": " ".join(name for name in OFFICIAL if name.endswith("Error") and name != "ExecutionError"),
    "filesystem": "CancelEvent FileUpload DownloadProgress UploadProgress FileDownloadRequest FileDownloadResponse "
    "FileDownloadErrorDetails",
    "git": "GitCommitResponse",
    "image": "Context Image",
    "lsp_server": "LspLanguageId LspCompletionPosition",
    "process": "CodeRunParams SessionExecuteRequest ExecutionArtifacts ExecuteResponse SessionExecuteResponse "
    "SessionCommandLogsResponse",
    "pty": "PtySize PtyResult",
    "sandbox": "Resources ListSandboxesQuery SandboxMetrics TOOLBOX_PORT",
    "secret": "Secret ListSecretsResponse CreateSecretParams UpdateSecretParams",
    "snapshot": "Snapshot PaginatedSnapshots CreateSnapshotParams",
    "volume": "VolumeMount Volume",
    "warm_pool": "WarmPool",
}


def test_there_are_99_official_names() -> None:
    assert len(set(OFFICIAL)) == 99


@pytest.mark.parametrize("name", daytona.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(daytona, name) is not None


def test_official_names_are_among_ours() -> None:
    assert set(OFFICIAL) <= set(daytona.__all__)
    assert set(daytona.__all__) <= set(dir(daytona))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Sandboxx'"):
        getattr(daytona, "Sandboxx")  # noqa: B009  # the access is the test


def test_version_is_text() -> None:
    assert daytona.__version__ == importlib.metadata.version("daytona-anyio")


def test_type_checkers_see_the_names_that_programs_get() -> None:
    tree = ast.parse(Path(daytona.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == daytona._MODULE_OF


@pytest.mark.parametrize(("module", "names"), COMMON.items())
def test_official_paths_give_the_same_objects(module: str, names: str) -> None:
    common = importlib.import_module(f"daytona.common.{module}")
    for name in names.split():
        value = getattr(common, name)
        assert value is getattr(daytona, name, value)


def test_importing_the_package_imports_no_dependency() -> None:
    script = "import sys, json, daytona, daytona.errors; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {
        "msgspec",
        "httpcore",
        "anyio",
        "asyncio",
        "ssl",
        "socket",
        "trio",
        "opentelemetry",
        "click",
    }
    assert {name for name in loaded if name.startswith("daytona")} == {"daytona", "daytona.errors"}
