"""What the parts of the agent share: its place in the world, its children, and who answers which path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daytona_plugins.local.agent.ready_shell import Shells
from daytona_plugins.local.agent.reaper import Reaper
from daytona_plugins.local.agent.routing import ForgivingRouter

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.web import Handler


class Toolbox:
    """The state of one agent; a part of it (files, processes, …) is a function that adds its routes here."""

    def __init__(self) -> None:
        self.router = ForgivingRouter()
        self.reaper = Reaper()
        self.shells = Shells(self.reaper)
        self.pages: dict[int, Handler] = {}
        """What the agent itself shows on ports of the sandbox, in place of a program there; `path` is a parameter."""
        self.work_dir = os.getcwd()
        self.entrypoint: tuple[str, ...] = ()
        """What the sandbox runs by itself; nothing when empty."""
        self.at_start: list[Callable[[], None]] = []
        """What parts do once the agent's event loop runs and its children are looked after."""
        self.ending = False
        """Whether the sandbox is about to end: what keeps programs running must let them go."""
