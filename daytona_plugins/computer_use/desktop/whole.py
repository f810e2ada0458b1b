"""Everything that the desktop answers, and what has to be imported for it before there is a sandbox."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from PIL import Image

from daytona_plugins.computer_use.desktop.accessibility import add_accessibility
from daytona_plugins.computer_use.desktop.acting import add_acting
from daytona_plugins.computer_use.desktop.desktop import Desktop
from daytona_plugins.computer_use.desktop.looking import add_looking
from daytona_plugins.computer_use.desktop.managing import add_managing
from daytona_plugins.computer_use.desktop.pictures import Options, draw_cursor, pack
from daytona_plugins.computer_use.desktop.screen import Place

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

FORMATS: Final = ("png", "jpeg", "webp")


def add_desktop(toolbox: Toolbox) -> None:
    """Answer for the desktop."""
    desktop = Desktop(toolbox)
    add_managing(toolbox.router, desktop)
    add_looking(toolbox.router, desktop)
    add_acting(toolbox.router, desktop)
    add_accessibility(toolbox.router, desktop)


def import_what_is_late() -> None:
    """Import what the libraries would at the first connection and the first picture."""
    import_module("Xlib.support.unix_connect")
    picture = Image.new("RGB", (4, 4))
    draw_cursor(picture, Place(1, 1))
    for name in FORMATS:
        pack(picture, Options(name, scale=0.5))
