"""What the parts of the agent share: its place in the world, its children, and who answers which path."""

from __future__ import annotations

import os

from daytona_plugins.local.agent.reaper import Reaper
from daytona_plugins.local.web import Router


class Toolbox:
    """The state of one agent; a part of it (files, processes, …) is a function that adds its routes here."""

    def __init__(self) -> None:
        self.router = Router()
        self.reaper = Reaper()
        self.work_dir = os.getcwd()
        self.ending = False
        """Whether the sandbox is about to end: what keeps programs running must let them go."""
