"""Every field our models have exists in the published descriptions of the API and the toolbox, or is listed here as newer."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import msgspec
import pytest

import daytona.models

PROTOCOL = Path(__file__).parents[3] / "shared" / "protocol"

# Our name, where the descriptions have another; several where one struct serves several schemas.
SCHEMAS = {
    "SandboxData": ("Sandbox", "SandboxListItem"),
    "VolumeMount": ("SandboxVolume",),
    "Volume": ("VolumeDto",),
    "Snapshot": ("SnapshotDto",),
    "StorageAccess": ("StorageAccessDto",),
    "ExecuteReply": ("ExecuteResponse",),
    "CodeRunReply": ("CodeRunResponse",),
    "GitCommitReply": ("GitCommitResponse",),
    "SessionCommand": ("SessionExecuteRequest",),
    "Directory": ("UserHomeDirResponse", "WorkDirResponse"),
    "AccessibilityNode": ("AccessibilityNode",),
    **dict.fromkeys(("PointData", "BarData", "PieData", "BoxAndWhiskerData"), ("ChartElement",)),
    **dict.fromkeys(("Chart2D", "PointChart", "LineChart", "ScatterChart", "BarChart"), ("Chart",)),
    **dict.fromkeys(("PieChart", "BoxAndWhiskerChart", "CompositeChart"), ("Chart",)),
}
# Bases of ours: they are never on the wire by themselves.
BASES = {"Confidential", "GitRequest", "GitSecretRequest", "Model", "Request", "_Picture"}
# What callers give and get; the models of the wire are others.
NOT_SENT = {
    "CodeRunParams",
    "ExecuteResponse",
    "ExecutionArtifacts",
    "PtyResult",
    "PtySize",
    "SandboxMetrics",
}
# WebSocket messages, the analytics service, what only the embedded platform answers, and what the toolbox describes as "an object".
UNDESCRIBED = {
    "GitDiffResponse",
    "GitFetchRequest",
    "Isolation",
    "InterpreterExecuteRequest",
    "InterpreterMessage",
    "LspCodeAction",
    "LspDiagnostic",
    "LspHover",
    "LspStartRequest",
    "LspTextEdit",
    "LspWorkspaceEdit",
    "MetricPoint",
}
# What came after v0.205.
NEWER_MODELS = {
    "FsFileResult",
    "KeyboardKeyDownRequest",
    "KeyboardKeyUpRequest",
    "MouseDownRequest",
    "MouseUpRequest",
    "UploadFilesResponse",
}
NEWER_FIELDS = {
    "CreateSandbox": {"kvm", "queueTimeout"},
    "DaytonaConfiguration": {
        "sshGatewayHost",
        "sshGatewayHostKeyFingerprints",
        "sshGatewayHostKeys",
        "sshGatewayPort",
    },
    "MouseClickRequest": {"clicks", "modifiers"},
    "MouseDragRequest": {"modifiers"},
    "MouseScrollRequest": {"modifiers"},
    "OidcConfig": {"authApiHostname", "provider"},
    "SandboxData": {"kvm", "queueTimedOutAt", "queueTimeout"},
}
# What only our models have, and why.
OUR_FIELDS = {
    # A composite chart's parts are charts: the daemon sends them, the description forgets them. The share that is
    # written on a slice is ours.
    **{
        name: {"autopct", "elements"}
        for name in ("ChartElement", "PointData", "BarData", "PieData", "BoxAndWhiskerData")
    },
    # `code` is the oldest daemons' word; the rest is what the embedded platform tells besides.
    "ExecuteReply": {"code", "durationMs", "stderr", "stdout", "truncated"},
    # What the embedded platform understands besides, and others ignore.
    "CodeRunRequest": {"drainSeconds"},
    "ExecuteRequest": {"drainSeconds", "separateStreams"},
    "CodeRunReply": {"truncated"},
    # The user's view of GitCommitReply.
    "GitCommitResponse": {"sha"},
    # What the embedded platform tells besides.
    "SandboxData": {"isolation"},
}


def _models() -> list[type[msgspec.Struct]]:
    names = [module.name for module in pkgutil.iter_modules(daytona.models.__path__, "daytona.models.")]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    structs = {v for v in values if isinstance(v, type) and issubclass(v, msgspec.Struct)}
    return sorted((s for s in structs if s.__module__ in names), key=lambda struct: struct.__name__)


@pytest.fixture(scope="module")
def described() -> dict[str, set[str]]:
    files = [PROTOCOL / "api.json", PROTOCOL / "toolbox.json"]
    if not all(file.exists() for file in files):
        pytest.skip(f"the descriptions are not in {PROTOCOL}; they may not be part of this repository")
    fields: dict[str, set[str]] = {}
    for file in files:
        document = json.loads(file.read_bytes())
        schemas = document.get("components", {}).get("schemas") or document["definitions"]
        for name, schema in schemas.items():
            fields.setdefault(name.rpartition(".")[2], set()).update(schema.get("properties", {}))
    return fields


def _cases() -> list[type[msgspec.Struct]]:
    return [model for model in _models() if model.__name__ not in BASES | NOT_SENT]


@pytest.mark.parametrize("model", _cases(), ids=lambda model: model.__name__)
def test_fields_are_described(model: type[msgspec.Struct], described: dict[str, set[str]]) -> None:
    ours = set(model.__struct_encode_fields__)
    names = SCHEMAS.get(model.__name__, (model.__name__,))
    if model.__name__ in UNDESCRIBED | NEWER_MODELS:
        assert not described.keys() & set(names), "it is described by now"
        return
    unknown = ours.difference(*(described[name] for name in names))
    listed = NEWER_FIELDS.get(model.__name__, set()) | OUR_FIELDS.get(model.__name__, set())
    assert unknown == listed
