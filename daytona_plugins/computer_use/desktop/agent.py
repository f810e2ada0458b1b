"""The desktop as a part of the agent: its routes, or the reason why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daytona_plugins.computer_use.desktop.recordings import add_recordings
from daytona_plugins.local.agent.errors import ToolboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.agent.toolbox import Toolbox
    from daytona_plugins.local.web import Request, Response

LIBRARIES: Final = {"PIL": "pillow", "Xlib": "python-xlib", "jeepney": "jeepney"}
"""Packages by what is imported of them; `desktop` is the extra that brings them."""
SOLUTION: Final = "pip install 'daytona-anyio[desktop]' where the platform runs, and start it again"


def add_computer_use(toolbox: Toolbox) -> None:
    """Answer for the desktop and for films of it."""
    add_recordings(toolbox)
    _add_desktop(toolbox)


def _load() -> Callable[[Toolbox], None]:
    """The libraries are the platform's, not the sandbox's: what is not imported now cannot be imported later."""
    try:
        from daytona_plugins.computer_use.desktop import whole
    except ModuleNotFoundError as error:
        missing = LIBRARIES.get((error.name or "").partition(".")[0])
        if missing is None:
            raise
        return lambda toolbox: toolbox.router.add("*", "/computeruse/{rest*}", _refusing(missing))
    whole.import_what_is_late()
    return whole.add_desktop


def _refusing(package: str) -> Callable[[Request], Awaitable[Response]]:
    details = f"the Python package {package} is not installed beside the platform"

    async def refuse(_request: Request) -> Response:
        raise ToolboxError(
            503,
            f"Computer use is not available: {details}; {SOLUTION}",
            code="SERVICE_UNAVAILABLE",
            facts={"details": details, "solution": SOLUTION},
        )

    return refuse


_add_desktop = _load()
