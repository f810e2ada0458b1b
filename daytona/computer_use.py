"""The classes of the desktop service, which a plugin brings: found when one of them is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .plugins import face_class, sandbox_service

if TYPE_CHECKING:
    from daytona_plugins.computer_use.blocking import (
        Accessibility,
        ComputerUse,
        Display,
        Keyboard,
        Mouse,
        RecordingService,
        Screenshot,
    )
    from daytona_plugins.computer_use.service import (
        AsyncAccessibility,
        AsyncComputerUse,
        AsyncDisplay,
        AsyncKeyboard,
        AsyncMouse,
        AsyncRecordingService,
        AsyncScreenshot,
    )

__all__ = [
    "Accessibility",
    "AsyncAccessibility",
    "AsyncComputerUse",
    "AsyncDisplay",
    "AsyncKeyboard",
    "AsyncMouse",
    "AsyncRecordingService",
    "AsyncScreenshot",
    "ComputerUse",
    "Display",
    "Keyboard",
    "Mouse",
    "RecordingService",
    "Screenshot",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    service = sandbox_service("computer_use")
    owner = service if name.startswith("Async") else face_class(service)
    return getattr(import_module(owner.__module__), name)
