"""Answers recorded from a real toolbox daemon of v0.190, decoded by our models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from daytona.errors import DaytonaError, error_from_response
from daytona.models import decoder
from daytona.models.charts import Chart, parse_charts
from daytona.models.computer_use import ListRecordingsResponse
from daytona.models.files import FileInfo, Match, ReplaceResult, SearchFilesResponse, UploadFilesResponse
from daytona.models.git import GitCommitInfo, GitCommitReply, GitStatus, ListBranchResponse
from daytona.models.interpreter import ListContextsResponse
from daytona.models.lsp import CompletionList, LspSymbol
from daytona.models.process import (
    CodeRunReply,
    Command,
    ExecuteReply,
    Session,
    SessionCommandLogsResponse,
    SessionExecuteResponse,
)
from daytona.models.pty import PtyListResponse, PtySessionInfo
from daytona.models.system import Directory, IsPortInUseResponse, PortList
from tests.recordings import exchanges

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES: dict[str, object] = {
    r"GET /(user-home|work)-dir": Directory,
    r"GET /port": PortList,
    r"GET /port/\d+/in-use": IsPortInUseResponse,
    r"GET /files": list[FileInfo],
    r"GET /files/info": FileInfo,
    r"GET /files/find": list[Match],
    r"GET /files/search": SearchFilesResponse,
    r"POST /files/replace": list[ReplaceResult],
    r"POST /files/bulk-upload": UploadFilesResponse,
    r"GET /git/status": GitStatus,
    r"GET /git/branches": ListBranchResponse,
    r"GET /git/history": list[GitCommitInfo],
    r"POST /git/commit": GitCommitReply,
    r"POST /process/execute": ExecuteReply,
    r"POST /process/code-run": CodeRunReply,
    r"GET /process/session": list[Session],
    r"GET /process/session/[^/]+": Session,
    r"POST /process/session/[^/]+/exec": SessionExecuteResponse,
    r"GET /process/session/[^/]+/command/[^/]+": Command,
    r"GET /process/session/[^/]+/command/[^/]+/logs": SessionCommandLogsResponse,
    r"GET /process/pty": PtyListResponse,
    r"GET /process/pty/[^/]+": PtySessionInfo,
    r"GET /process/interpreter/context": ListContextsResponse,
    r"POST /lsp/completions": CompletionList,
    r"GET /lsp/(document-symbols|workspacesymbols)": list[LspSymbol],
    r"GET /computeruse/recordings": ListRecordingsResponse,
}


def _answers() -> Iterator[tuple[str, int, dict[str, str], str]]:
    for exchange in exchanges():
        if "response" in exchange:
            request, response = exchange["request"], exchange["response"]
            operation = f"{request['method']} {request['target'].partition('?')[0]}"
            yield operation, response["status"], response["headers"], response.get("body_text", "")


def test_successes_decode() -> None:
    decoded: set[str] = set()
    for operation, status, headers, body in _answers():
        kind = next((TYPES[pattern] for pattern in TYPES if re.fullmatch(pattern, operation)), None)
        if kind and status < 300 and "json" in headers.get("content-type", ""):
            decoder(cast("type[object]", kind)).decode(body)
            decoded.add(next(pattern for pattern in TYPES if re.fullmatch(pattern, operation)))
    assert len(decoded) >= 15


def test_failures_are_explained() -> None:
    failures = [answer for answer in _answers() if answer[1] >= 400]
    assert failures
    for operation, status, headers, body in failures:
        method, path = operation.split(" ", 1)
        error = error_from_response(status, headers, body.encode(), method=method, path=path)
        assert type(error) is not DaytonaError
        assert (error.status_code, bool(error.message), bool(error.code)) == (status, True, True)


def test_charts_are_read() -> None:
    bodies = [body for operation, _, _, body in _answers() if operation == "POST /process/code-run"]
    artifacts = [reply.artifacts for body in bodies if (reply := _reply(body)) and reply.artifacts]
    charts = [chart for artifact in artifacts for chart in parse_charts(artifact.charts)]
    assert charts
    assert all(isinstance(chart, Chart) and chart.type for chart in charts)


def _reply(body: str) -> CodeRunReply | None:
    return decoder(CodeRunReply).decode(body) if body.startswith('{"') else None
