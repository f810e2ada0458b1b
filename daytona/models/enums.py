"""The words of the wire: open where a server may invent one, closed where the user chooses."""

from __future__ import annotations

from enum import StrEnum

from daytona.models._base import OpenEnum


class SandboxState(OpenEnum):
    """What a sandbox is doing."""

    CREATING = "creating"
    RESTORING = "restoring"
    DESTROYED = "destroyed"
    DESTROYING = "destroying"
    STARTED = "started"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    ERROR = "error"
    BUILD_FAILED = "build_failed"
    PENDING_BUILD = "pending_build"
    BUILDING_SNAPSHOT = "building_snapshot"
    UNKNOWN = "unknown"
    PULLING_SNAPSHOT = "pulling_snapshot"
    ARCHIVED = "archived"
    ARCHIVING = "archiving"
    RESIZING = "resizing"
    SNAPSHOTTING = "snapshotting"
    FORKING = "forking"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"


class SandboxDesiredState(OpenEnum):
    """What a sandbox is meant to become."""

    DESTROYED = "destroyed"
    STARTED = "started"
    STOPPED = "stopped"
    RESIZED = "resized"
    ARCHIVED = "archived"
    PAUSED = "paused"


class SandboxClass(OpenEnum):
    """What kind of machine a sandbox is."""

    LINUX_VM = "linux-vm"
    CONTAINER = "container"
    WINDOWS = "windows"


class GpuType(OpenEnum):
    """A model of graphics processor."""

    H100 = "H100"
    H200 = "H200"
    B200 = "B200"
    B300 = "B300"
    RTX_PRO_6000 = "RTX-PRO-6000"
    RTX_4090 = "RTX-4090"
    RTX_5090 = "RTX-5090"
    MI355X = "MI355X"


class SandboxListSortField(OpenEnum):
    """What a list of sandboxes is sorted by."""

    NAME = "name"
    CPU = "cpu"
    MEMORYGIB = "memoryGib"
    DISKGIB = "diskGib"
    LASTACTIVITYAT = "lastActivityAt"
    CREATEDAT = "createdAt"


class SandboxListSortDirection(OpenEnum):
    """Which end of a sorted list comes first."""

    ASC = "asc"
    DESC = "desc"


class SnapshotState(OpenEnum):
    """What a snapshot is doing."""

    BUILDING = "building"
    PENDING = "pending"
    PULLING = "pulling"
    SNAPSHOTTING = "snapshotting"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ERROR = "error"
    BUILD_FAILED = "build_failed"
    REMOVING = "removing"


class VolumeState(OpenEnum):
    """What a volume is doing."""

    CREATING = "creating"
    READY = "ready"
    PENDING_CREATE = "pending_create"
    PENDING_DELETE = "pending_delete"
    DELETING = "deleting"
    DELETED = "deleted"
    ERROR = "error"


class Status(OpenEnum):
    """What git says of a file, in the index or in the work tree; upstream spells the members like this."""

    Unmodified = "Unmodified"
    Untracked = "Untracked"
    Modified = "Modified"
    Added = "Added"
    Deleted = "Deleted"
    Renamed = "Renamed"
    Copied = "Copied"
    UpdatedButUnmerged = "Updated but unmerged"


class CodeLanguage(StrEnum):
    """A language `code_run` knows."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    JAVASCRIPT = "javascript"


class LspLanguageId(StrEnum):
    """A language the sandbox has a language server for."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    JAVASCRIPT = "javascript"


class ChartType(OpenEnum):
    """A kind of chart."""

    LINE = "line"
    SCATTER = "scatter"
    BAR = "bar"
    PIE = "pie"
    BOX_AND_WHISKER = "box_and_whisker"
    COMPOSITE_CHART = "composite_chart"
    UNKNOWN = "unknown"
