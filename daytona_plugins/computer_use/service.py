"""The desktop of a sandbox: mouse, keyboard, screen, recordings, accessibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgspec

from daytona.models.computer_use import (
    AccessibilityInvokeRequest,
    AccessibilityNodeRequest,
    AccessibilityNodesResponse,
    AccessibilitySetValueRequest,
    AccessibilityTreeResponse,
    ComputerUseStartResponse,
    ComputerUseStatusResponse,
    ComputerUseStopResponse,
    DisplayInfoResponse,
    FindAccessibilityNodesRequest,
    KeyboardHotkeyRequest,
    KeyboardKeyDownRequest,
    KeyboardKeyUpRequest,
    KeyboardPressRequest,
    KeyboardTypeRequest,
    ListRecordingsResponse,
    MouseClickRequest,
    MouseClickResponse,
    MouseDownRequest,
    MouseDragRequest,
    MouseDragResponse,
    MouseMoveRequest,
    MousePositionResponse,
    MouseScrollRequest,
    MouseUpRequest,
    ProcessErrorsResponse,
    ProcessLogsResponse,
    ProcessRestartResponse,
    ProcessStatusResponse,
    Recording,
    ScreenshotOptions,
    ScreenshotRegion,
    ScreenshotResponse,
    ScrollResponse,
    StartRecordingRequest,
    StopRecordingRequest,
    WindowsResponse,
)
from daytona.service import AsyncService, operation, segment
from daytona_plugins.computer_use.saving import save

if TYPE_CHECKING:
    from daytona.service import Api

__all__ = [
    "AsyncAccessibility",
    "AsyncComputerUse",
    "AsyncDisplay",
    "AsyncKeyboard",
    "AsyncMouse",
    "AsyncRecordingService",
    "AsyncScreenshot",
]

DOWNLOAD_TIMEOUT: Final = 1800.0
_Object = dict[str, object]


class AsyncMouse(AsyncService):
    """The mouse of a desktop. Coordinates are pixels from the top left; those outside the screen are moved to its edge."""

    @operation("Failed to get mouse position: ")
    async def get_position(self, request_timeout: float | None = None) -> MousePositionResponse:
        """Return the position of the pointer."""
        return await self._api.call(
            "GET", "/computeruse/mouse/position", into=MousePositionResponse, timeout=request_timeout
        )

    @operation("Failed to move mouse: ")
    async def move(self, x: int, y: int, request_timeout: float | None = None) -> MousePositionResponse:
        """Move the pointer and return its new position."""
        return await self._api.call(
            "POST",
            "/computeruse/mouse/move",
            json=MouseMoveRequest(x=x, y=y),
            into=MousePositionResponse,
            timeout=request_timeout,
        )

    @operation("Failed to press mouse button: ")
    async def down(
        self,
        x: int | None = None,
        y: int | None = None,
        button: str = "left",
        request_timeout: float | None = None,
    ) -> MousePositionResponse:
        """Press "left", "middle" or "right" and hold it, at (*x*, *y*) or where the pointer is."""
        return await self._api.call(
            "POST",
            "/computeruse/mouse/down",
            json=MouseDownRequest(x=x, y=y, button=button),
            into=MousePositionResponse,
            timeout=request_timeout,
        )

    @operation("Failed to release mouse button: ")
    async def up(
        self,
        x: int | None = None,
        y: int | None = None,
        button: str = "left",
        request_timeout: float | None = None,
    ) -> MousePositionResponse:
        """Release a button, at (*x*, *y*) or where the pointer is."""
        return await self._api.call(
            "POST",
            "/computeruse/mouse/up",
            json=MouseUpRequest(x=x, y=y, button=button),
            into=MousePositionResponse,
            timeout=request_timeout,
        )

    @operation("Failed to click mouse: ")
    async def click(
        self,
        x: int,
        y: int,
        button: str = "left",
        double: bool = False,
        request_timeout: float | None = None,
        *,
        clicks: int | None = None,
        modifiers: list[str] | None = None,
    ) -> MouseClickResponse:
        """Click at a place.

        Args:
            x: Pixels from the left.
            y: Pixels from the top.
            button: "left", "middle" or "right".
            double: Click twice.
            request_timeout: Seconds until the call fails.
            clicks: How many clicks, from 1 to 10; takes precedence over *double*.
            modifiers: Keys to hold during the click, such as "ctrl".
        """
        body = MouseClickRequest(x=x, y=y, button=button, double=double, clicks=clicks, modifiers=modifiers)
        return await self._api.call(
            "POST", "/computeruse/mouse/click", json=body, into=MouseClickResponse, timeout=request_timeout
        )

    @operation("Failed to drag mouse: ")
    async def drag(
        self,
        start_x: int,
        start_y: int,
        end_x: int,
        end_y: int,
        button: str = "left",
        request_timeout: float | None = None,
        *,
        modifiers: list[str] | None = None,
    ) -> MouseDragResponse:
        """Press a button at one place, move to another, release it, and return the new position of the pointer."""
        body = MouseDragRequest(
            start_x=start_x, start_y=start_y, end_x=end_x, end_y=end_y, button=button, modifiers=modifiers
        )
        return await self._api.call(
            "POST", "/computeruse/mouse/drag", json=body, into=MouseDragResponse, timeout=request_timeout
        )

    @operation("Failed to scroll mouse: ")
    async def scroll(
        self,
        x: int,
        y: int,
        direction: str,
        amount: int = 1,
        request_timeout: float | None = None,
        *,
        modifiers: list[str] | None = None,
    ) -> bool:
        """Turn the wheel at a place by *amount* notches "up", "down", "left" or "right"; return whether it turned."""
        body = MouseScrollRequest(x=x, y=y, direction=direction, amount=amount, modifiers=modifiers)
        answer = await self._api.call(
            "POST", "/computeruse/mouse/scroll", json=body, into=ScrollResponse, timeout=request_timeout
        )
        return answer.success is True


class AsyncKeyboard(AsyncService):
    """The keyboard of a desktop. Input goes to the window that has the focus."""

    @operation("Failed to type text: ")
    async def type(self, text: str, delay: int | None = None, request_timeout: float | None = None) -> None:
        """Type *text*, with *delay* milliseconds between characters; a newline presses the Enter key."""
        body = KeyboardTypeRequest(text=text, delay=delay)
        await self._api.call("POST", "/computeruse/keyboard/type", json=body, timeout=request_timeout)

    @operation("Failed to press key: ")
    async def press(
        self, key: str, modifiers: list[str] | None = None, request_timeout: float | None = None
    ) -> None:
        """Press and release a key such as "Return", "a" or "f5", while *modifiers* are held."""
        body = KeyboardPressRequest(key=key, modifiers=modifiers or [])
        await self._api.call("POST", "/computeruse/keyboard/key", json=body, timeout=request_timeout)

    @operation("Failed to press hotkey: ")
    async def hotkey(self, keys: str, request_timeout: float | None = None) -> None:
        """Press keys together, such as "ctrl+shift+t"."""
        body = KeyboardHotkeyRequest(keys=keys)
        await self._api.call("POST", "/computeruse/keyboard/hotkey", json=body, timeout=request_timeout)

    @operation("Failed to press key down: ")
    async def down(self, key: str, request_timeout: float | None = None) -> None:
        """Press a key and hold it."""
        body = KeyboardKeyDownRequest(key=key)
        await self._api.call("POST", "/computeruse/keyboard/down", json=body, timeout=request_timeout)

    @operation("Failed to release key: ")
    async def up(self, key: str, request_timeout: float | None = None) -> None:
        """Release a key."""
        body = KeyboardKeyUpRequest(key=key)
        await self._api.call("POST", "/computeruse/keyboard/up", json=body, timeout=request_timeout)


class AsyncScreenshot(AsyncService):
    """Screenshots of a desktop; each can be displayed in a notebook and saved to a path."""

    @operation("Failed to take screenshot: ")
    async def take_full_screen(
        self, show_cursor: bool = False, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return the whole screen as PNG."""
        return await self._api.call(
            "GET",
            "/computeruse/screenshot",
            query={"showCursor": show_cursor},
            into=ScreenshotResponse,
            timeout=request_timeout,
        )

    @operation("Failed to take region screenshot: ")
    async def take_region(
        self, region: ScreenshotRegion, show_cursor: bool = False, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return a part of the screen as PNG.

        Raises:
            DaytonaBadRequestError: It is not on the screen.
        """
        return await self._api.call(
            "GET",
            "/computeruse/screenshot/region",
            query={**_place(region), "showCursor": show_cursor},
            into=ScreenshotResponse,
            timeout=request_timeout,
        )

    @operation("Failed to take compressed screenshot: ")
    async def take_compressed(
        self, options: ScreenshotOptions | None = None, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return the whole screen, in the format and size of *options*."""
        return await self._api.call(
            "GET",
            "/computeruse/screenshot/compressed",
            query=_compression(options),
            into=ScreenshotResponse,
            timeout=request_timeout,
        )

    @operation("Failed to take compressed region screenshot: ")
    async def take_compressed_region(
        self,
        region: ScreenshotRegion,
        options: ScreenshotOptions | None = None,
        request_timeout: float | None = None,
    ) -> ScreenshotResponse:
        """Return a part of the screen, in the format and size of *options*.

        Raises:
            DaytonaBadRequestError: It is not on the screen.
        """
        return await self._api.call(
            "GET",
            "/computeruse/screenshot/region/compressed",
            query={**_place(region), **_compression(options)},
            into=ScreenshotResponse,
            timeout=request_timeout,
        )


def _place(region: ScreenshotRegion) -> dict[str, int]:
    return {"x": region.x, "y": region.y, "width": region.width, "height": region.height}


def _compression(options: ScreenshotOptions | None) -> dict[str, bool | str | float | None]:
    if options is None:
        return {}
    return {
        "showCursor": options.show_cursor,
        "format": options.fmt,
        "quality": options.quality,
        "scale": options.scale,
    }


class AsyncDisplay(AsyncService):
    """The displays and windows of a desktop."""

    @operation("Failed to get display info: ")
    async def get_info(self, request_timeout: float | None = None) -> DisplayInfoResponse:
        """Return the displays and their sizes."""
        return await self._api.call(
            "GET", "/computeruse/display/info", into=DisplayInfoResponse, timeout=request_timeout
        )

    @operation("Failed to get windows: ")
    async def get_windows(self, request_timeout: float | None = None) -> WindowsResponse:
        """Return the windows that have a title."""
        return await self._api.call(
            "GET", "/computeruse/display/windows", into=WindowsResponse, timeout=request_timeout
        )


class AsyncRecordingService(AsyncService):
    """Recordings of a desktop."""

    @operation("Failed to start recording: ")
    async def start(self, label: str | None = None, request_timeout: float | None = None) -> Recording:
        """Start to record the screen.

        Raises:
            DaytonaRecordingFfmpegNotFoundError: The sandbox has no ffmpeg.
        """
        return await self._api.call(
            "POST",
            "/computeruse/recordings/start",
            json=StartRecordingRequest(label=label),
            into=Recording,
            timeout=request_timeout,
        )

    @operation("Failed to stop recording: ")
    async def stop(self, recording_id: str, request_timeout: float | None = None) -> Recording:
        """Stop a recording, which can then be downloaded.

        Raises:
            DaytonaNotFoundError: There is no such recording, or it has ended.
        """
        return await self._api.call(
            "POST",
            "/computeruse/recordings/stop",
            json=StopRecordingRequest(id=recording_id),
            into=Recording,
            timeout=request_timeout,
        )

    @operation("Failed to list recordings: ")
    async def list(self, request_timeout: float | None = None) -> ListRecordingsResponse:
        """Return all recordings, active ones first."""
        return await self._api.call(
            "GET", "/computeruse/recordings", into=ListRecordingsResponse, timeout=request_timeout
        )

    @operation("Failed to get recording: ")
    async def get(self, recording_id: str, request_timeout: float | None = None) -> Recording:
        """Return the state of a recording.

        Raises:
            DaytonaNotFoundError: There is no such recording.
        """
        path = f"/computeruse/recordings/{segment(recording_id)}"
        return await self._api.call("GET", path, into=Recording, timeout=request_timeout)

    @operation("Failed to delete recording: ")
    async def delete(self, recording_id: str, request_timeout: float | None = None) -> None:
        """Delete a recording.

        Raises:
            DaytonaRecordingStillActiveError: It is still active.
        """
        path = f"/computeruse/recordings/{segment(recording_id)}"
        await self._api.call("DELETE", path, timeout=request_timeout)

    @operation("Failed to download recording: ")
    async def download(self, recording_id: str, local_path: str) -> None:
        """Write a recording to *local_path*, which appears only once it is complete; missing directories are created."""
        path = f"/computeruse/recordings/{segment(recording_id)}/download"
        with self._api.transport.deadline(DOWNLOAD_TIMEOUT):
            await save(self._api, path, local_path)


class AsyncAccessibility(AsyncService):
    """The accessibility tree of a desktop: programs, windows and their elements, to find and use by name."""

    @operation("Failed to get accessibility tree: ")
    async def get_tree(
        self,
        scope: str | None = None,
        pid: int | None = None,
        max_depth: int | None = None,
        request_timeout: float | None = None,
    ) -> AccessibilityTreeResponse:
        """Return the accessibility tree.

        Args:
            scope: "focused" (the program with the focus), "pid" or "all".
            pid: The process, for the scope "pid".
            max_depth: Levels below the root; -1 means all.
            request_timeout: Seconds until the call fails.

        Raises:
            DaytonaA11yUnavailableError: The desktop is not running, or does not support accessibility.
        """
        return await self._api.call(
            "GET",
            "/computeruse/a11y/tree",
            query={"scope": scope, "pid": pid, "maxDepth": max_depth},
            into=AccessibilityTreeResponse,
            timeout=request_timeout,
        )

    @operation("Failed to find accessibility nodes: ")
    async def find_nodes(
        self,
        scope: str | None = None,
        pid: int | None = None,
        role: str | None = None,
        name: str | None = None,
        name_match: str | None = None,
        states: list[str] | None = None,
        limit: int | None = None,
        request_timeout: float | None = None,
    ) -> AccessibilityNodesResponse:
        """Return the elements that match all of the given criteria.

        Args:
            scope: "focused" (the program with the focus), "pid" or "all".
            pid: The process, for the scope "pid".
            role: The role, such as "push button".
            name: The name, compared as specified by *name_match*.
            name_match: "substring", "exact" or "regex".
            states: States that it must have, such as "focused".
            limit: The maximum number of elements to return.
            request_timeout: Seconds until the call fails.
        """
        body = FindAccessibilityNodesRequest(
            scope=scope, pid=pid, role=role, name=name, name_match=name_match, states=states, limit=limit
        )
        return await self._api.call(
            "POST",
            "/computeruse/a11y/find",
            json=body,
            into=AccessibilityNodesResponse,
            timeout=request_timeout,
        )

    @operation("Failed to focus accessibility node: ")
    async def focus_node(self, node_id: str, request_timeout: float | None = None) -> None:
        """Give an element the keyboard focus."""
        body = AccessibilityNodeRequest(id=node_id)
        await self._api.call("POST", "/computeruse/a11y/node/focus", json=body, timeout=request_timeout)

    @operation("Failed to invoke accessibility node: ")
    async def invoke_node(
        self, node_id: str, action: str | None = None, request_timeout: float | None = None
    ) -> None:
        """Perform an action of an element, such as pressing a button; None means its first action."""
        body = AccessibilityInvokeRequest(id=node_id, action=action)
        await self._api.call("POST", "/computeruse/a11y/node/invoke", json=body, timeout=request_timeout)

    @operation("Failed to set accessibility node value: ")
    async def set_node_value(self, node_id: str, value: str, request_timeout: float | None = None) -> None:
        """Set the value of an element: its text or its number."""
        body = AccessibilitySetValueRequest(id=node_id, value=value)
        await self._api.call("POST", "/computeruse/a11y/node/value", json=body, timeout=request_timeout)


class AsyncComputerUse(AsyncService):
    """The desktop of a sandbox. It exists from `start` until `stop`, or until the sandbox stops.

    Attributes:
        mouse: Moves, clicks, drags and scrolls.
        keyboard: Types.
        screenshot: Takes screenshots.
        display: Lists displays and windows.
        recording: Records the screen.
        accessibility: Finds and uses elements on the screen by name.
    """

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.mouse = AsyncMouse(api)
        self.keyboard = AsyncKeyboard(api)
        self.screenshot = AsyncScreenshot(api)
        self.display = AsyncDisplay(api)
        self.recording = AsyncRecordingService(api)
        self.accessibility = AsyncAccessibility(api)

    @operation("Failed to start computer use: ")
    async def start(self, request_timeout: float | None = None) -> ComputerUseStartResponse:
        """Start the desktop, if it is not running, and return its programs.

        Raises:
            DaytonaServiceUnavailableError: The sandbox lacks a program; the message names the package that brings it.
        """
        answer = await self._api.call("POST", "/computeruse/start", into=_Object, timeout=request_timeout)
        return msgspec.convert(_camel(answer), ComputerUseStartResponse)

    @operation("Failed to stop computer use: ")
    async def stop(self, request_timeout: float | None = None) -> ComputerUseStopResponse:
        """Stop the desktop and all programs on it."""
        answer = await self._api.call("POST", "/computeruse/stop", into=_Object, timeout=request_timeout)
        return msgspec.convert(_camel(answer), ComputerUseStopResponse)

    @operation("Failed to get computer use status: ")
    async def get_status(self, request_timeout: float | None = None) -> ComputerUseStatusResponse:
        """Return whether the desktop is "active", "partial" or "inactive"."""
        return await self._api.call(
            "GET", "/computeruse/process-status", into=ComputerUseStatusResponse, timeout=request_timeout
        )

    @operation("Failed to get process status: ")
    async def get_process_status(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessStatusResponse:
        """Return whether one of the desktop's programs, such as "xvfb", is running."""
        path = f"/computeruse/process/{segment(process_name)}/status"
        return await self._api.call("GET", path, into=ProcessStatusResponse, timeout=request_timeout)

    @operation("Failed to restart process: ")
    async def restart_process(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessRestartResponse:
        """Restart one of the desktop's programs."""
        path = f"/computeruse/process/{segment(process_name)}/restart"
        return await self._api.call("POST", path, into=ProcessRestartResponse, timeout=request_timeout)

    @operation("Failed to get process logs: ")
    async def get_process_logs(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessLogsResponse:
        """Return the standard output of one of the desktop's programs."""
        path = f"/computeruse/process/{segment(process_name)}/logs"
        return await self._api.call("GET", path, into=ProcessLogsResponse, timeout=request_timeout)

    @operation("Failed to get process errors: ")
    async def get_process_errors(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessErrorsResponse:
        """Return the error output of one of the desktop's programs."""
        path = f"/computeruse/process/{segment(process_name)}/errors"
        return await self._api.call("GET", path, into=ProcessErrorsResponse, timeout=request_timeout)


def _camel(value: object) -> object:
    """Return *value* with keys as they are published: servers begin those of a program's status with capitals."""
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, object]", value).items()
    return {key[:1].lower() + key[1:]: _camel(item) for key, item in items}
