"""The desktop of a sandbox: mouse, keyboard, screen, recordings, accessibility, for blocking code.

Written by `python -m daytona.faces` from `daytona_plugins.computer_use.service`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import functools
from daytona.models.computer_use import (
    AccessibilityNodesResponse,
    AccessibilityTreeResponse,
    ComputerUseStartResponse,
    ComputerUseStatusResponse,
    ComputerUseStopResponse,
    DisplayInfoResponse,
    ListRecordingsResponse,
    MouseClickResponse,
    MouseDragResponse,
    MousePositionResponse,
    ProcessErrorsResponse,
    ProcessLogsResponse,
    ProcessRestartResponse,
    ProcessStatusResponse,
    Recording,
    ScreenshotOptions,
    ScreenshotRegion,
    ScreenshotResponse,
    WindowsResponse,
)
from daytona.service import BlockingService, step
from daytona_plugins.computer_use.service import (
    AsyncAccessibility,
    AsyncComputerUse,
    AsyncDisplay,
    AsyncKeyboard,
    AsyncMouse,
    AsyncRecordingService,
    AsyncScreenshot,
)

__all__ = ["Accessibility", "ComputerUse", "Display", "Keyboard", "Mouse", "RecordingService", "Screenshot"]


class Mouse(BlockingService[AsyncMouse]):
    """The mouse of a desktop. Coordinates are pixels from the top left; those outside the screen are moved to its edge."""

    def get_position(self, request_timeout: float | None = None) -> MousePositionResponse:
        """Return the position of the pointer."""
        return step(self._core.get_position(request_timeout))

    def move(self, x: int, y: int, request_timeout: float | None = None) -> MousePositionResponse:
        """Move the pointer and return its new position."""
        return step(self._core.move(x, y, request_timeout))

    def down(
        self,
        x: int | None = None,
        y: int | None = None,
        button: str = 'left',
        request_timeout: float | None = None,
    ) -> MousePositionResponse:
        """Press "left", "middle" or "right" and hold it, at (*x*, *y*) or where the pointer is."""
        return step(self._core.down(x, y, button, request_timeout))

    def up(
        self,
        x: int | None = None,
        y: int | None = None,
        button: str = 'left',
        request_timeout: float | None = None,
    ) -> MousePositionResponse:
        """Release a button, at (*x*, *y*) or where the pointer is."""
        return step(self._core.up(x, y, button, request_timeout))

    def click(
        self,
        x: int,
        y: int,
        button: str = 'left',
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
        return step(self._core.click(x, y, button, double, request_timeout, clicks=clicks, modifiers=modifiers))

    def drag(
        self,
        start_x: int,
        start_y: int,
        end_x: int,
        end_y: int,
        button: str = 'left',
        request_timeout: float | None = None,
        *,
        modifiers: list[str] | None = None,
    ) -> MouseDragResponse:
        """Press a button at one place, move to another, release it, and return the new position of the pointer."""
        return step(self._core.drag(start_x, start_y, end_x, end_y, button, request_timeout, modifiers=modifiers))

    def scroll(
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
        return step(self._core.scroll(x, y, direction, amount, request_timeout, modifiers=modifiers))


class Keyboard(BlockingService[AsyncKeyboard]):
    """The keyboard of a desktop. Input goes to the window that has the focus."""

    def type(self, text: str, delay: int | None = None, request_timeout: float | None = None) -> None:
        """Type *text*, with *delay* milliseconds between characters; a newline presses the Enter key."""
        step(self._core.type(text, delay, request_timeout))

    def press(
        self, key: str, modifiers: list[str] | None = None, request_timeout: float | None = None
    ) -> None:
        """Press and release a key such as "Return", "a" or "f5", while *modifiers* are held."""
        step(self._core.press(key, modifiers, request_timeout))

    def hotkey(self, keys: str, request_timeout: float | None = None) -> None:
        """Press keys together, such as "ctrl+shift+t"."""
        step(self._core.hotkey(keys, request_timeout))

    def down(self, key: str, request_timeout: float | None = None) -> None:
        """Press a key and hold it."""
        step(self._core.down(key, request_timeout))

    def up(self, key: str, request_timeout: float | None = None) -> None:
        """Release a key."""
        step(self._core.up(key, request_timeout))


class Screenshot(BlockingService[AsyncScreenshot]):
    """Screenshots of a desktop; each can be displayed in a notebook and saved to a path."""

    def take_full_screen(
        self, show_cursor: bool = False, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return the whole screen as PNG."""
        return step(self._core.take_full_screen(show_cursor, request_timeout))

    def take_region(
        self, region: ScreenshotRegion, show_cursor: bool = False, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return a part of the screen as PNG.

        Raises:
            DaytonaBadRequestError: It is not on the screen.
        """
        return step(self._core.take_region(region, show_cursor, request_timeout))

    def take_compressed(
        self, options: ScreenshotOptions | None = None, request_timeout: float | None = None
    ) -> ScreenshotResponse:
        """Return the whole screen, in the format and size of *options*."""
        return step(self._core.take_compressed(options, request_timeout))

    def take_compressed_region(
        self,
        region: ScreenshotRegion,
        options: ScreenshotOptions | None = None,
        request_timeout: float | None = None,
    ) -> ScreenshotResponse:
        """Return a part of the screen, in the format and size of *options*.

        Raises:
            DaytonaBadRequestError: It is not on the screen.
        """
        return step(self._core.take_compressed_region(region, options, request_timeout))


class Display(BlockingService[AsyncDisplay]):
    """The displays and windows of a desktop."""

    def get_info(self, request_timeout: float | None = None) -> DisplayInfoResponse:
        """Return the displays and their sizes."""
        return step(self._core.get_info(request_timeout))

    def get_windows(self, request_timeout: float | None = None) -> WindowsResponse:
        """Return the windows that have a title."""
        return step(self._core.get_windows(request_timeout))


class RecordingService(BlockingService[AsyncRecordingService]):
    """Recordings of a desktop."""

    def start(self, label: str | None = None, request_timeout: float | None = None) -> Recording:
        """Start to record the screen.

        Raises:
            DaytonaRecordingFfmpegNotFoundError: The sandbox has no ffmpeg.
        """
        return step(self._core.start(label, request_timeout))

    def stop(self, recording_id: str, request_timeout: float | None = None) -> Recording:
        """Stop a recording, which can then be downloaded.

        Raises:
            DaytonaNotFoundError: There is no such recording, or it has ended.
        """
        return step(self._core.stop(recording_id, request_timeout))

    def list(self, request_timeout: float | None = None) -> ListRecordingsResponse:
        """Return all recordings, active ones first."""
        return step(self._core.list(request_timeout))

    def get(self, recording_id: str, request_timeout: float | None = None) -> Recording:
        """Return the state of a recording.

        Raises:
            DaytonaNotFoundError: There is no such recording.
        """
        return step(self._core.get(recording_id, request_timeout))

    def delete(self, recording_id: str, request_timeout: float | None = None) -> None:
        """Delete a recording.

        Raises:
            DaytonaRecordingStillActiveError: It is still active.
        """
        step(self._core.delete(recording_id, request_timeout))

    def download(self, recording_id: str, local_path: str) -> None:
        """Write a recording to *local_path*, which appears only once it is complete; missing directories are created."""
        step(self._core.download(recording_id, local_path))


class Accessibility(BlockingService[AsyncAccessibility]):
    """The accessibility tree of a desktop: programs, windows and their elements, to find and use by name."""

    def get_tree(
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
        return step(self._core.get_tree(scope, pid, max_depth, request_timeout))

    def find_nodes(
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
        return step(self._core.find_nodes(scope, pid, role, name, name_match, states, limit, request_timeout))

    def focus_node(self, node_id: str, request_timeout: float | None = None) -> None:
        """Give an element the keyboard focus."""
        step(self._core.focus_node(node_id, request_timeout))

    def invoke_node(
        self, node_id: str, action: str | None = None, request_timeout: float | None = None
    ) -> None:
        """Perform an action of an element, such as pressing a button; None means its first action."""
        step(self._core.invoke_node(node_id, action, request_timeout))

    def set_node_value(self, node_id: str, value: str, request_timeout: float | None = None) -> None:
        """Set the value of an element: its text or its number."""
        step(self._core.set_node_value(node_id, value, request_timeout))


class ComputerUse(BlockingService[AsyncComputerUse]):
    """The desktop of a sandbox. It exists from `start` until `stop`, or until the sandbox stops.

    Attributes:
        mouse: Moves, clicks, drags and scrolls.
        keyboard: Types.
        screenshot: Takes screenshots.
        display: Lists displays and windows.
        recording: Records the screen.
        accessibility: Finds and uses elements on the screen by name.
    """

    @functools.cached_property
    def mouse(self) -> Mouse:
        return Mouse._over(self._core.mouse)

    @functools.cached_property
    def keyboard(self) -> Keyboard:
        return Keyboard._over(self._core.keyboard)

    @functools.cached_property
    def screenshot(self) -> Screenshot:
        return Screenshot._over(self._core.screenshot)

    @functools.cached_property
    def display(self) -> Display:
        return Display._over(self._core.display)

    @functools.cached_property
    def recording(self) -> RecordingService:
        return RecordingService._over(self._core.recording)

    @functools.cached_property
    def accessibility(self) -> Accessibility:
        return Accessibility._over(self._core.accessibility)

    def start(self, request_timeout: float | None = None) -> ComputerUseStartResponse:
        """Start the desktop, if it is not running, and return its programs.

        Raises:
            DaytonaServiceUnavailableError: The sandbox lacks a program; the message names the package that brings it.
        """
        return step(self._core.start(request_timeout))

    def stop(self, request_timeout: float | None = None) -> ComputerUseStopResponse:
        """Stop the desktop and all programs on it."""
        return step(self._core.stop(request_timeout))

    def get_status(self, request_timeout: float | None = None) -> ComputerUseStatusResponse:
        """Return whether the desktop is "active", "partial" or "inactive"."""
        return step(self._core.get_status(request_timeout))

    def get_process_status(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessStatusResponse:
        """Return whether one of the desktop's programs, such as "xvfb", is running."""
        return step(self._core.get_process_status(process_name, request_timeout))

    def restart_process(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessRestartResponse:
        """Restart one of the desktop's programs."""
        return step(self._core.restart_process(process_name, request_timeout))

    def get_process_logs(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessLogsResponse:
        """Return the standard output of one of the desktop's programs."""
        return step(self._core.get_process_logs(process_name, request_timeout))

    def get_process_errors(
        self, process_name: str, request_timeout: float | None = None
    ) -> ProcessErrorsResponse:
        """Return the error output of one of the desktop's programs."""
        return step(self._core.get_process_errors(process_name, request_timeout))
