"""The desktop of a sandbox: mouse, keyboard, screen, recordings, accessibility."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daytona.errors import DaytonaValidationError
from daytona.models._base import Model, Number, Request
from daytona.models._records import Record

if TYPE_CHECKING:
    import os


@dataclass(frozen=True, kw_only=True)
class ScreenshotRegion(Record):
    """A rectangle of the screen."""

    x: int
    y: int
    width: int
    height: int


@dataclass(kw_only=True)
class ScreenshotOptions(Record):
    """How a screenshot is compressed.

    Args:
        show_cursor: Draw the pointer.
        fmt: "png", "jpeg" or "webp".
        quality: From 0 to 100, for formats that lose detail.
        scale: Factor of size, above 0.
        format: Another name for *fmt*.
    """

    show_cursor: bool | None = None
    fmt: str | None = None
    quality: int | None = None
    scale: float | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        self.fmt = self.format = self.fmt or self.format
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise DaytonaValidationError(f"quality is {self.quality}; it must be from 0 to 100")
        if self.scale is not None and self.scale <= 0:
            raise DaytonaValidationError(f"scale is {self.scale}; it must be above 0")


class Position(Model, frozen=True):
    """A place on the screen."""

    x: int | None = None
    y: int | None = None


class MousePositionResponse(Position, frozen=True):
    """Where the pointer is."""


class MouseClickResponse(Position, frozen=True):
    """Where the pointer has clicked."""


class MouseDragResponse(Position, frozen=True):
    """Where the pointer has dragged to."""


class ScrollResponse(Model, frozen=True):
    """Whether it has scrolled."""

    success: bool | None = None


class MouseMoveRequest(Request, frozen=True):
    """Moves the pointer."""

    x: int | None = None
    y: int | None = None


class MouseDownRequest(MouseMoveRequest, frozen=True):
    """Presses a button."""

    button: str | None = None


class MouseUpRequest(MouseMoveRequest, frozen=True):
    """Releases a button."""

    button: str | None = None


class MouseClickRequest(MouseMoveRequest, frozen=True):
    """Clicks a button."""

    button: str | None = None
    double: bool | None = None
    clicks: int | None = None
    modifiers: list[str] | None = None


class MouseDragRequest(Request, frozen=True):
    """Drags from one place to another."""

    start_x: int | None = None
    start_y: int | None = None
    end_x: int | None = None
    end_y: int | None = None
    button: str | None = None
    modifiers: list[str] | None = None


class MouseScrollRequest(MouseMoveRequest, frozen=True):
    """Turns the wheel."""

    direction: str | None = None
    amount: int | None = None
    modifiers: list[str] | None = None


class KeyboardTypeRequest(Request, frozen=True):
    """Types text."""

    text: str | None = None
    delay: int | None = None


class KeyboardPressRequest(Request, frozen=True):
    """Presses and releases a key."""

    key: str | None = None
    modifiers: list[str] | None = None


class KeyboardHotkeyRequest(Request, frozen=True):
    """Presses keys together."""

    keys: str | None = None


class KeyboardKeyDownRequest(Request, frozen=True):
    """Presses a key."""

    key: str


class KeyboardKeyUpRequest(Request, frozen=True):
    """Releases a key."""

    key: str


class ScreenshotResponse(Model, frozen=True):
    """A picture of the screen as base64 text; the last expression of a notebook's cell shows it."""

    screenshot: str | None = None
    cursor_position: Position | None = None
    size_bytes: int | None = None

    @property
    def data(self) -> bytes:
        """The picture as a file has it."""
        return base64.b64decode(self.screenshot or "")

    @property
    def format(self) -> str:
        """What kind of file it is: "png", "jpeg" or "webp"."""
        data = self.data
        if data.startswith(b"\xff\xd8"):
            return "jpeg"
        return "webp" if data[8:12] == b"WEBP" else "png"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a local file."""
        with open(path, "wb") as file:
            file.write(self.data)

    def _repr_mimebundle_(self, **_wishes: object) -> dict[str, str]:
        return {f"image/{self.format}": self.screenshot or ""}


class DisplayInfo(Position, frozen=True):
    """A display."""

    id: int | None = None
    width: int | None = None
    height: int | None = None
    is_active: bool | None = None


class DisplayInfoResponse(Model, frozen=True):
    """The displays of a desktop."""

    displays: list[DisplayInfo] = []


class WindowInfo(DisplayInfo, frozen=True):
    """A window."""

    title: str | None = None


class WindowsResponse(Model, frozen=True):
    """The windows of a desktop."""

    windows: list[WindowInfo] = []


class StartRecordingRequest(Request, frozen=True):
    """Starts a recording."""

    label: str | None = None


class StopRecordingRequest(Request, frozen=True):
    """Stops a recording."""

    id: str


class Recording(Model, frozen=True):
    """A film of the screen."""

    id: str
    file_name: str = ""
    file_path: str = ""
    status: str = ""
    start_time: str = ""
    end_time: str | None = None
    duration_seconds: Number | None = None
    size_bytes: int | None = None


class ListRecordingsResponse(Model, frozen=True):
    """The recordings of a sandbox."""

    recordings: list[Recording] = []


class AccessibilityBounds(Position, frozen=True):
    """Where a node is on the screen."""

    width: int | None = None
    height: int | None = None


class AccessibilityNode(Model, frozen=True):
    """Something on the screen that a screen reader could speak of."""

    id: str | None = None
    role: str | None = None
    name: str | None = None
    description: str | None = None
    states: list[str] | None = None
    actions: list[str] | None = None
    bounds: AccessibilityBounds | None = None
    children: list[AccessibilityNode] | None = None


ComputerUseAccessibilityNode = AccessibilityNode


class AccessibilityTreeResponse(Model, frozen=True):
    """Nodes in their order, perhaps not all."""

    root: AccessibilityNode | None = None
    truncated: bool | None = None


class AccessibilityNodesResponse(Model, frozen=True):
    """Nodes that match, perhaps not all."""

    matches: list[AccessibilityNode] = []
    truncated: bool | None = None


class FindAccessibilityNodesRequest(Request, frozen=True):
    """Looks for nodes."""

    scope: str | None = None
    pid: int | None = None
    role: str | None = None
    name: str | None = None
    name_match: str | None = None
    states: list[str] | None = None
    limit: int | None = None


class AccessibilityNodeRequest(Request, frozen=True):
    """Names a node."""

    id: str


class AccessibilityInvokeRequest(AccessibilityNodeRequest, frozen=True):
    """Does what a node offers."""

    action: str | None = None


class AccessibilitySetValueRequest(AccessibilityNodeRequest, frozen=True):
    """Writes into a node."""

    value: str | None = None


class ProcessStatus(Model, frozen=True):
    """A program of the desktop."""

    running: bool | None = None
    pid: int | None = None
    priority: int | None = None
    auto_restart: bool | None = None


class ComputerUseStartResponse(Model, frozen=True):
    """What became of a start, program by program."""

    message: str | None = None
    status: dict[str, ProcessStatus] | None = None


class ComputerUseStopResponse(ComputerUseStartResponse, frozen=True):
    """What became of a stop, program by program."""


class ComputerUseStatusResponse(Model, frozen=True):
    """Whether the desktop runs."""

    status: str | None = None


class ProcessStatusResponse(Model, frozen=True):
    """Whether a program of the desktop runs."""

    process_name: str | None = None
    running: bool | None = None


class ProcessRestartResponse(Model, frozen=True):
    """What became of a restart."""

    process_name: str | None = None
    message: str | None = None


class ProcessLogsResponse(Model, frozen=True):
    """What a program of the desktop has written."""

    process_name: str | None = None
    logs: str | None = None


class ProcessErrorsResponse(Model, frozen=True):
    """What a program of the desktop has complained about."""

    process_name: str | None = None
    errors: str | None = None
